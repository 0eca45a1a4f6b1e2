"""Diluted networks on a GPU: long runs of the gap sampler, apart from the package's kernels.

    python scripts/gpu_dilute.py --L 3 --alpha 8 --beta 3 --c 32 --N 256 --sweeps 262144 -o FOLDER
    python scripts/gpu_dilute.py --plan PLAN.json --seconds 540 -o FOLDER

Teacher-student, kappa = 0, regular graph (fan-in = fan-out = c; c = N: fully connected).  Every
data set has ``--replicas`` chains from its planted state and as many from a random one; all chains
of all data sets move at once.  A plan is a list of networks, each an object of the options that
differ from those given; they share the GPU, each in a stream of its own, and each writes
FOLDER/L.._b.._a.._c.._N...json at every octave.  Needs an NVIDIA GPU and cupy, which the package
does not; nothing else needs this script.  Only the graph, the model, the times of the records and
the overlaps' definitions are shared with the package.

The moves are those of docs/sampler.md: c rotations of a pair of couplings in every perceptron, then
one flip attempt of every hidden neuron for every pattern, layer by layer.  Times are counted in
sweeps.  Measured at the times of the package's records (32 an octave), with the teacher and, of two
replicas or more, between the two halves of the chains from one start, gauge-fixed:

    m_i = (1/M) sum_mu S_i^a S_i^b,     q = [ (mean_i m_i^2 - 1/M) / (1 - 1/M) ]^1/2,
    Q = (1/N c) sum_ik g_i g_k J_ik^a J_ik^b,     g_i = sgn m_i,

and with the teacher also the package's r_gauge and R_gauge (docs/sampler.md), under "gauge".
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import cupy as cp
import numpy as np

from replicadnn.montecarlo.connectivity import Connectivity, Graph, normalised
from replicadnn.montecarlo.measure.stationarity import record_times

SOURCE = r"""
typedef unsigned int u32; typedef unsigned long long u64;
__device__ __forceinline__ uint4 philox(u32 k0, u32 k1, u32 c0, u32 c1, u32 c2, u32 c3) {
  for (int r = 0; r < 10; r++) {
    u64 p0 = (u64)0xD2511F53u * c0, p1 = (u64)0xCD9E8D57u * c2;
    u32 n0 = (u32)(p1 >> 32) ^ c1 ^ k0, n2 = (u32)(p0 >> 32) ^ c3 ^ k1;
    c1 = (u32)p1; c3 = (u32)p0; c0 = n0; c2 = n2; k0 += 0x9E3779B9u; k1 += 0xBB67AE85u;
  }
  return make_uint4(c0, c1, c2, c3);
}
__device__ __forceinline__ float unit(u32 u) { return (u + 0.5f) * 2.3283064365386963e-10f; }

// c rotations of perceptron (l, i) of chain x: one block, one thread a pattern
extern "C" __global__ void rotate(float* J, const short* idx, const signed char* S, float* h,
    int L, int N, int c, int M, int R, int l, float beta, float step, u32 seed, u32 sweep,
    u64* accepted) {
  extern __shared__ float row[];
  __shared__ int from[128], pa[128], pk[128];
  __shared__ float co[128], si[128], un[128];
  int i = blockIdx.x, x = blockIdx.y, mu = threadIdx.x;
  bool real = mu < M;
  size_t jat = (((size_t)x * L + l) * N + i) * c;
  const short* id = idx + (((size_t)(x / R) * L + l) * N + i) * c;
  for (int k = mu; k < c; k += blockDim.x) {
    row[k] = J[jat + k]; from[k] = id[k];
    uint4 r = philox(seed, 2 * l, sweep, x, i, k);
    int a = __umulhi(r.x, c), b = __umulhi(r.y, c - 1); b += b >= a;
    float t = step * (2.f * unit(r.z) - 1.f), n = 1.f / (1.f + t * t);
    pa[k] = a; pk[k] = b; co[k] = (1.f - t * t) * n; si[k] = 2.f * t * n; un[k] = unit(r.w);
  }
  __syncthreads();
  const signed char* below = S + ((size_t)x * (L + 1) + l) * N * M;
  size_t hat = (((size_t)x * L + l) * N + i) * M + mu;
  float own = real ? (float)S[(((size_t)x * (L + 1) + l + 1) * N + i) * M + mu] : 1.f;
  float field = real ? h[hat] : 1e30f, scale = rsqrtf((float)c);
  int old = __syncthreads_count(field * own < 0.f), count = 0;
  float sa = real ? (float)below[(size_t)from[pa[0]] * M + mu] : 0.f;
  float sk = real ? (float)below[(size_t)from[pk[0]] * M + mu] : 0.f;
  for (int m = 0; m < c; m++) {
    float ja = row[pa[m]], jk = row[pk[m]];
    float na = ja * co[m] - jk * si[m], nk = ja * si[m] + jk * co[m];
    float trial = field + (na - ja) * scale * sa + (nk - jk) * scale * sk;
    if (m + 1 < c && real) {
      sa = (float)below[(size_t)from[pa[m + 1]] * M + mu];
      sk = (float)below[(size_t)from[pk[m + 1]] * M + mu];
    }
    int now = __syncthreads_count(trial * own < 0.f), d = now - old;
    if (d <= 0 || un[m] < __expf(-beta * d)) {
      field = trial; old = now; count++;
      if (mu == 0) { row[pa[m]] = na; row[pk[m]] = nk; }
      __syncthreads();
    }
  }
  if (real) h[hat] = field;
  for (int k = mu; k < c; k += blockDim.x) J[jat + k] = row[k];
  if (mu == 0) atomicAdd(accepted + l, (u64)count);
}

// what a flip of neuron k of layer l, S = +1, takes from the fields of its readers
extern "C" __global__ void steps(const float* J, const short* rdr, const short* place, float* out,
    int L, int N, int c, int R, int l) {
  int k = blockIdx.x, x = blockIdx.y;
  size_t at = (((size_t)(x / R) * L + l) * N + k) * c;
  for (int e = threadIdx.x; e < c; e += blockDim.x)
    out[((size_t)x * N + k) * c + e] = 2.f * rsqrtf((float)c)
        * J[(((size_t)x * L + l) * N + rdr[at + e]) * c + place[at + e]];
}

// one flip attempt of every neuron of layer l (1..L-1): one warp a pattern, blockDim / 32 patterns
extern "C" __global__ void flip(const short* rdr, const float* take, signed char* S, float* h,
    int L, int N, int c, int M, int R, int l, float beta, u32 seed, u32 sweep) {
  extern __shared__ float memory[];
  int W = blockDim.x / 32, lane = threadIdx.x & 31, w = threadIdx.x / 32, x = blockIdx.y;
  int mu0 = blockIdx.x * W;
  float* gap_up = memory; float* gap_own = gap_up + W * N;
  signed char* up = (signed char*)(gap_own + W * N); signed char* own = up + W * N;
  for (int t = threadIdx.x; t < N * W; t += blockDim.x) {
    int j = t / W, v = t % W, mu = mu0 + v;
    signed char s = 1, u = 1; float a = 1e30f, b = 1e30f;
    if (mu < M) {
      s = S[(((size_t)x * (L + 1) + l) * N + j) * M + mu];
      u = S[(((size_t)x * (L + 1) + l + 1) * N + j) * M + mu];
      a = h[(((size_t)x * L + l - 1) * N + j) * M + mu] * s;
      b = h[(((size_t)x * L + l) * N + j) * M + mu] * u;
    }
    own[v * N + j] = s; up[v * N + j] = u; gap_own[v * N + j] = a; gap_up[v * N + j] = b;
  }
  __syncthreads();
  gap_up += w * N; gap_own += w * N; up += w * N; own += w * N;
  const short* readers = rdr + ((size_t)(x / R) * L + l) * N * c;
  const float* taken = take + (size_t)x * N * c;
  if (mu0 + w < M) {
    float draw = 0.f;
    for (int i = 0; i < N; i++) {
      if (i % 32 == 0)
        draw = unit(philox(seed, 2 * l + 1, sweep, x, i + lane, mu0 + w).x);
      float mine = gap_own[i], s = own[i];
      int d = (-mine < 0.f) - (mine < 0.f);
      for (int e = lane; e < ((c + 31) / 32) * 32; e += 32) {
        bool in = e < c; int j = in ? readers[i * c + e] : 0;
        float r = gap_up[j], n = in ? r - taken[i * c + e] * s * up[j] : r;
        d += __popc(__ballot_sync(~0u, n < 0.f)) - __popc(__ballot_sync(~0u, r < 0.f));
      }
      float u = __shfl_sync(~0u, draw, i % 32);
      if (d <= 0 || u < __expf(-beta * d)) {
        for (int e = lane; e < c; e += 32) {
          int j = readers[i * c + e];
          gap_up[j] -= taken[i * c + e] * s * up[j];
        }
        if (lane == 0) { own[i] = (signed char)(-s); gap_own[i] = -mine; }
      }
      __syncwarp();
    }
  }
  __syncthreads();
  gap_up -= w * N; up -= w * N; own -= w * N;
  for (int t = threadIdx.x; t < N * W; t += blockDim.x) {
    int j = t / W, v = t % W, mu = mu0 + v;
    if (mu < M) {
      S[(((size_t)x * (L + 1) + l) * N + j) * M + mu] = own[v * N + j];
      h[(((size_t)x * L + l) * N + j) * M + mu] = gap_up[v * N + j] * up[v * N + j];
    }
  }
}

// couplings back on the sphere, fields from scratch
extern "C" __global__ void refresh(float* J, const short* idx, const signed char* S, float* h,
    int L, int N, int c, int M, int R, int l) {
  extern __shared__ float row[];
  __shared__ float norm;
  int i = blockIdx.x, x = blockIdx.y;
  size_t jat = (((size_t)x * L + l) * N + i) * c;
  const short* id = idx + (((size_t)(x / R) * L + l) * N + i) * c;
  for (int k = threadIdx.x; k < c; k += blockDim.x) row[k] = J[jat + k];
  __syncthreads();
  if (threadIdx.x == 0) {
    float t = 0.f;
    for (int k = 0; k < c; k++) t += row[k] * row[k];
    norm = t;
  }
  __syncthreads();
  float scale = sqrtf(c / norm);
  for (int k = threadIdx.x; k < c; k += blockDim.x) J[jat + k] = row[k] * scale;
  const signed char* below = S + ((size_t)x * (L + 1) + l) * N * M;
  for (int mu = threadIdx.x; mu < M; mu += blockDim.x) {
    float t = 0.f;
    for (int k = 0; k < c; k++) t += row[k] * below[(size_t)id[k] * M + mu];
    h[(((size_t)x * L + l) * N + i) * M + mu] = t * scale * rsqrtf((float)c);
  }
}
"""
MODULE = cp.RawModule(code=SOURCE, options=("-std=c++14",))
ROTATE, STEPS, FLIP, REFRESH = (
    MODULE.get_function(name) for name in ("rotate", "steps", "flip", "refresh")
)
#: Patterns of a block of `flip`, as many as the default shared memory holds (10 bytes a neuron).
PATTERNS_PER_BLOCK = 8
SHARED_BYTES = 48_000
REFRESH_EVERY = 256
#: Sweeps given to the GPU before its next look at the other networks.
BATCH = 32


def planted(J: cp.ndarray, inputs: cp.ndarray, M: int, p: float) -> cp.ndarray:
    """S (L+1, N, M) by a forward pass in which every neuron errs with probability p."""
    L, N, _ = J.shape
    S = cp.empty((L + 1, N, M), cp.int8)
    S[0] = 2 * cp.random.randint(0, 2, (N, M)) - 1
    for l in range(L):
        fields = cp.einsum("ik,ikm->im", J[l], S[l][inputs[l]].astype(cp.float32))
        errs = cp.random.random((N, M)) < p
        S[l + 1] = cp.where((fields > 0) ^ errs, 1, -1)
    return S


class Chains:
    """All chains of all data sets; chain x belongs to data set x // R."""

    def __init__(self, a: argparse.Namespace) -> None:
        L, N, c = a.L, a.N, a.c
        self.L, self.N, self.c, self.M, self.D = L, N, c, round(a.alpha * c), a.samples
        self.R = 2 * a.replicas
        self.beta, self.seed, self.step, self.done = a.beta, a.seed, a.step, 0
        rng = np.random.default_rng(a.seed)
        cp.random.seed(a.seed)
        X, D, M, R = self.D * self.R, self.D, self.M, self.R
        wiring = Connectivity(N, c, Graph.REGULAR)
        every = np.broadcast_to(np.arange(N, dtype=np.int32), (L, N, N))
        graphs = np.stack([every if wiring.dense else wiring.draw(L, rng) for _ in range(D)])
        order = np.argsort(graphs.reshape(D, L, -1), axis=2, kind="stable")
        self.inputs = cp.asarray(graphs.astype(np.int16))
        self.readers = cp.asarray((order // c).astype(np.int16))
        self.places = cp.asarray((order % c).astype(np.int16))
        self.J = cp.empty((X, L, N, c), cp.float32)
        self.S = cp.empty((X, L + 1, N, M), cp.int8)
        self.h = cp.zeros((X, L, N, M), cp.float32)
        self.take = cp.empty((X, N, c), cp.float32)
        self.accepted = cp.zeros(L, cp.uint64)
        self.J0 = cp.empty((D, L, N, c), cp.float32)
        self.S0 = cp.empty((D, L + 1, N, M), cp.int8)
        for d in range(D):
            self.J0[d] = cp.asarray(normalised(rng.standard_normal((L, N, c))))
            wired = cp.asarray(graphs[d])
            self.S0[d] = planted(self.J0[d], wired, M, 1.0 / (1.0 + math.exp(a.beta)))
            for r in range(R):
                x = d * R + r
                self.J[x], self.S[x] = self.J0[d], self.S0[d]
                if r >= R // 2:
                    self.J[x] = cp.asarray(normalised(rng.standard_normal((L, N, c))))
                    self.S[x, 1:L] = 2 * cp.random.randint(0, 2, (L - 1, N, M)) - 1
        self.threads = 32 * math.ceil(M / 32)
        self.refresh()

    @property
    def grid(self) -> tuple[int, int]:
        return self.N, self.D * self.R

    def refresh(self) -> None:
        L, N, c, M, R = (np.int32(v) for v in (self.L, self.N, self.c, self.M, self.R))
        for l in range(self.L):
            REFRESH(self.grid, (128,), (self.J, self.inputs, self.S, self.h, L, N, c, M, R,
                                        np.int32(l)), shared_mem=4 * self.c)  # fmt: skip

    def sweep(self) -> None:
        L, N, c, M, R = (np.int32(v) for v in (self.L, self.N, self.c, self.M, self.R))
        beta, seed, t = np.float32(self.beta), np.uint32(self.seed), np.uint32(self.done)
        W = min(PATTERNS_PER_BLOCK, SHARED_BYTES // (10 * self.N))
        for l in range(self.L):
            ROTATE(self.grid, (self.threads,), (
                self.J, self.inputs, self.S, self.h, L, N, c, M, R, np.int32(l), beta,
                np.float32(self.step), seed, t, self.accepted), shared_mem=4 * self.c)  # fmt: skip
            if l + 1 < self.L:
                up = np.int32(l + 1)
                STEPS(
                    self.grid, (32,), (self.J, self.readers, self.places, self.take, L, N, c, R, up)
                )
                FLIP((math.ceil(self.M / W), self.grid[1]), (32 * W,), (
                    self.readers, self.take, self.S, self.h, L, N, c, M, R, up, beta, seed, t),
                    shared_mem=10 * W * self.N)  # fmt: skip
        self.done += 1
        if self.done % REFRESH_EVERY == 0:
            self.refresh()

    def energy(self) -> np.ndarray:
        """Violated fraction (X, L)."""
        return cp.asnumpy((self.h * self.S[:, 1:] < 0).mean(axis=(2, 3)))

    def overlaps(self, J: cp.ndarray, S: cp.ndarray, which: np.ndarray) -> dict[str, np.ndarray]:
        """Overlaps of the chains ``which`` with (J, S), one a chain: rms and gauge form."""
        M, sets = self.M, which // self.R
        sums = (self.S[which] * S).sum(axis=-1, dtype=cp.int32)
        squares = ((sums / M) ** 2 - 1.0 / M) / (1.0 - 1.0 / M)
        ups, downs = (M + sums) // 2, (M - sums) // 2
        left = (ups * cp.sign(sums - 1) - downs * cp.sign(sums + 1)).mean(axis=-1) / M
        out = {"q": squares.mean(axis=-1)[:, 1:-1], "q_gauge": left[:, 1:-1]}
        products = self.J[which] * J
        wired = self.inputs[sets].astype(cp.int32).reshape(len(which), self.L, -1)
        for form, signs in (("Q", cp.where(sums >= 0, 1, -1)), ("Q_gauge", cp.sign(sums))):
            signs[:, 0] = signs[:, -1] = 1
            p = products * cp.take_along_axis(signs[:, :-1], wired, axis=2).reshape(products.shape)
            if form == "Q":
                kept = signs[:, 1:, :, None] * p
            else:
                kept = cp.sign(p.sum(axis=3, keepdims=True) - p) * p
                kept[:, -1] = p[:, -1]
            out[form] = kept.mean(axis=(2, 3))
        return {name: cp.asnumpy(values) for name, values in out.items()}

    def measure(self) -> dict[str, list]:
        """Means over the chains of a data set: (D, ...) by start, squares of q kept."""
        x = np.arange(self.D * self.R).reshape(self.D, 2, -1)
        row: dict[str, list] = {"t": self.done, "energy": self.energy().mean(axis=0).tolist()}
        for side, name in enumerate(("planted", "random")):
            chains = x[:, side].ravel()
            sets = chains // self.R
            kept = {"teacher": self.overlaps(self.J0[sets], self.S0[sets], chains)}
            if self.R > 2:
                first, second = x[:, side, 0::2].ravel(), x[:, side, 1::2].ravel()
                kept["pair"] = self.overlaps(self.J[second], self.S[second], first)
            for key, values in kept.items():
                for what, found in values.items():
                    letter, _, form = what.partition("_")
                    if form and key == "pair":
                        continue
                    letter = {"q": "r", "Q": "R"}[letter] if key == "teacher" else letter
                    by_set = found.reshape(self.D, -1, found.shape[-1]).mean(axis=1)
                    row[f"{name}.{form or key}.{letter}"] = by_set.tolist()
        return row


class Run:
    """One network in a stream of its own: batches of sweeps, records, its file."""

    def __init__(self, a: argparse.Namespace) -> None:
        self.a = a
        self.stream = cp.cuda.Stream(non_blocking=True)
        self.event = cp.cuda.Event()
        self.rows: list[dict] = []
        self.times = record_times(a.sweeps).tolist()
        self.clock = time.perf_counter()
        with self.stream:
            self.chains = self.begin()
            self.event.record()

    @property
    def finished(self) -> bool:
        return len(self.rows) == len(self.times)

    def begin(self) -> Chains:
        """Chains with the step of a pilot run: acceptance about 0.15 from the planted side."""
        chains = Chains(self.a)
        if self.a.step > 0.0:
            return chains
        chains.step = 0.3
        for _ in range(12):
            chains.accepted[:] = 0
            for _ in range(4):
                chains.sweep()
            rate = float(chains.accepted.sum()) / (4.0 * chains.J.size)
            chains.step = min(1.0, chains.step * min(2.0, max(0.5, rate / 0.15)))
        step = chains.step
        chains = Chains(self.a)
        chains.step = step
        return chains

    def advance(self) -> None:
        """The next record, if it is due, and up to ``BATCH`` sweeps, not waited for."""
        with self.stream:
            if self.chains.done == self.times[len(self.rows)]:
                self.rows.append(self.chains.measure())
                if self.chains.done & (self.chains.done - 1) == 0 or self.finished:
                    self.write()
            if not self.finished:
                for _ in range(min(BATCH, self.times[len(self.rows)] - self.chains.done)):
                    self.chains.sweep()
            self.event.record()

    def write(self) -> None:
        chains, a = self.chains, self.a
        name = f"L{a.L}_b{a.beta:g}_a{a.alpha:g}_c{a.c}_N{a.N}"
        total = max(chains.done * chains.J.size, 1)
        params = vars(a) | {"output": None, "plan": None, "M": chains.M, "step": chains.step}
        document = {"params": params, "rows": self.rows}
        (a.output / f"{name}.json").write_text(json.dumps(document))
        last = self.rows[-1]
        shown = " ".join(
            f"{key} {np.round(np.mean(last[key], axis=0), 3).tolist()}"
            for key in last if "gauge" in key
        )  # fmt: skip
        spent = time.perf_counter() - self.clock
        share = float(chains.accepted.sum()) / total
        print(f"{name} {last['t']} {spent:.0f} s, step {chains.step:.3f} ({share:.3f})", shown,
              flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, kind, default in (
        ("L", int, 3), ("N", int, 256), ("c", int, 32), ("alpha", float, 8.0), ("beta", float, 3.0),
        ("sweeps", int, 1 << 18), ("samples", int, 8), ("replicas", int, 2), ("seed", int, 1),
        ("step", float, 0.0), ("seconds", float, 1e9),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=kind, default=default)
    parser.add_argument("--plan", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    a = parser.parse_args()
    begin = time.perf_counter()
    a.output.mkdir(parents=True, exist_ok=True)
    plan = [{}] if a.plan is None else json.loads(a.plan.read_text())
    waiting = [Run(argparse.Namespace(**(vars(a) | one))) for one in plan]
    while waiting and time.perf_counter() - begin < a.seconds:
        for run in waiting:
            if run.event.done:
                run.advance()
        waiting = [run for run in waiting if not run.finished]
    for run in waiting:
        run.stream.synchronize()
        run.write()


if __name__ == "__main__":
    main()
