"""How kernels that call kernels are compiled: the callee becomes a part of the caller, once.

numba compiles every function for itself, optimised, with machine code and a wrapper for Python, and
links what it has optimised into the callers, where it is optimised again. For functions that only
kernels call most of that is thrown away. Here a kernel has two forms: the one that Python calls is
numba's; the one that kernels call is a `_Part`, plain code that is optimised in the caller. So are
numba's own functions (np.empty, max) while a kernel is compiled.
"""

from __future__ import annotations

import gc
import math
import sys
import time
from contextlib import contextmanager

from numba.core import compiler, event, ir, types, typing
from numba.core import typed_passes as typed
from numba.core import untyped_passes as untyped
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler_machinery import PassManager, register_pass

PATIENCE = 1.0  # seconds of compiling before a line says so
LINE = "replicadnn: compiling its loops for this machine (some 10 s, only the first time)"
_spent: list[float] = []  # seconds of every kernel so far


class _Whole(JITCodeLibrary):  # type: ignore[misc]
    """A library that links parts as they are; only its own end is optimised."""

    def add_linking_library(self, library):
        if not isinstance(library, _Part):
            library._ensure_finalized()
        self._linking_libraries.append(library)


class _Scalar(_Whole):
    """A library whose loops are not turned into vectors: short ones, which are dear to compile."""

    def _optimize_final_module(self):
        made = self._codegen._module_pass_manager(opt=2, loop_vectorize=False, slp_vectorize=False)
        passes, *builder = made if isinstance(made, tuple) else (made,)  # numba 0.60: no builder
        passes.run(self._final_module, *builder)


class _Part(_Whole):
    """Code that waits: linked as it is, optimised and made runnable only if somebody runs it."""

    def __init__(self, codegen, name):
        super().__init__(codegen, name)
        self._environments = []

    @property
    def codegen(self):
        """Takes environments (numba's constants of a function), which need a runnable library."""
        return super().codegen if self._finalized else self

    def set_env(self, name, environment):
        """Keep the environment for `finalize`."""
        self._environments.append((name, environment))

    def _optimize_functions(self, ll_module):
        ll_module.data_layout = self._codegen._data_layout

    def finalize(self):
        super().finalize()
        for name, environment in self._environments:
            self._codegen.set_env(name, environment)

    def get_pointer_to_function(self, name):
        if not self._finalized and all(f.name != name for f in self._final_module.functions):
            return 0
        return super().get_pointer_to_function(name)

    def _get_module_for_linking(self):
        if self._shared_module is not None:
            return self._shared_module
        if self._finalized:
            return super()._get_module_for_linking()
        module = self._final_module.clone()
        for function in module.functions:
            if not function.is_declaration and function.linkage.name == "external":
                function.linkage = "linkonce_odr"
        for library in dict.fromkeys(self._linking_libraries):
            module.link_in(library._get_module_for_linking(), preserve=True)
        self._shared_module = module
        return module


@contextmanager
def _waiting(codegen):
    """What numba compiles meanwhile becomes parts; the compiler's lock is held."""
    collects = gc.isenabled()
    before = vars(codegen).get("_library_class")
    codegen._library_class = _Part
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
        if before is None:
            del codegen._library_class
        else:
            codegen._library_class = before


class _Compiler(compiler.CompilerBase):  # type: ignore[misc]
    """numba's pipeline without the passes that kernels have no use for."""

    def _compile_core(self):
        with _waiting(self.state.targetctx.codegen()):
            return super()._compile_core()

    def define_pipelines(self):
        passes = PassManager("kernel")
        for one in (
            untyped.TranslateByteCode, untyped.FixupArgs, untyped.IRProcessing,
            untyped.RewriteSemanticConstants, untyped.DeadBranchPrune, untyped.GenericRewrites,
            untyped.ReconstructSSA, untyped.DeadBranchPrune, typed.NopythonTypeInference,
            typed.PreLowerStripPhis, _ArrayExpressions, typed.IRLegalization,
            typed.AnnotateTypes, typed.NativeLowering, typed.NoPythonBackend,
        ):  # fmt: skip
            passes.add_pass(one, one._name)
        passes.finalize()
        return [passes]


class WholeCompiler(_Compiler):
    """Compiles what Python calls, and says so when it takes long."""

    library = _Whole

    def _compile_core(self):
        began = _announce()
        try:
            return super()._compile_core()
        finally:
            _spent.append(time.perf_counter() - began)

    def define_pipelines(self):
        state = self.state
        state.flags.no_cpython_wrapper = False
        state.library = self.library(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        return super().define_pipelines()


class ScalarCompiler(WholeCompiler):
    """The same without vectors."""

    library = _Scalar


class PartCompiler(_Compiler):
    """Compiles what kernels call."""


@register_pass(mutates_CFG=True, analysis_only=False)
class _ArrayExpressions(typed.NopythonRewrites):  # type: ignore[misc]
    """Fuses operations on arrays, where there are any."""

    _name = "kernel_array_expressions"

    def run_pass(self, state):
        for block in state.func_ir.blocks.values():
            for statement in block.find_insts(ir.Assign):
                value = statement.value
                operation = isinstance(value, ir.Expr) and value.op in ("binop", "unary")
                if operation and isinstance(state.typemap[statement.target.name], types.Array):
                    return super().run_pass(state)
        return False


def _announce():
    """One line on stderr, once, when kernels have been compiled for longer than `PATIENCE`."""
    if sum(_spent) > PATIENCE:
        _spent[:] = [-math.inf]
        print(LINE, file=sys.stderr, flush=True)
    return time.perf_counter()


class Parts:
    """The forms of one kernel that other kernels call, by types of arguments."""

    def __init__(self, dispatcher):
        self._dispatcher = dispatcher

    def get_call_template(self, args, keywords):
        """What numba's `Dispatcher` says to type inference."""
        dispatcher = self._dispatcher
        signature, args = dispatcher._compiler.fold_argument_types(args, keywords)
        args = tuple(args)
        if args not in dispatcher.overloads:
            details = {"dispatcher": dispatcher, "args": args, "return_type": None}
            with event.trigger_event("numba:compile", data=details):
                dispatcher.overloads[args] = dispatcher._compiler.compile(args, None)
        name = dispatcher.py_func.__name__
        template = typing.make_concrete_template(
            name, key=name, signatures=dispatcher.nopython_signatures
        )
        return template, signature, args, {}

    def get_overload(self, signature):
        """What numba looks a call up by."""
        return self._dispatcher.get_overload(signature)
