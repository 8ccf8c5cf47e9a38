#include "core/kernels/isa.h"

namespace resgrad::kernels {
namespace {

Isa& active() {
  static Isa isa = best_isa();
  return isa;
}

}  // namespace

bool supported(Isa isa) {
#ifdef RESGRAD_X86_ISAS
  switch (isa) {
    case Isa::baseline:
      return true;
    case Isa::avx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case Isa::avx512:
      return supported(Isa::avx2) && __builtin_cpu_supports("avx512f") &&
             __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512vl");
  }
#endif
  return isa == Isa::baseline;
}

Isa best_isa() {
  if (supported(Isa::avx512)) return Isa::avx512;
  return supported(Isa::avx2) ? Isa::avx2 : Isa::baseline;
}

Isa active_isa() {
  return active();
}

bool set_isa(Isa isa) {
  if (!supported(isa)) return false;
  active() = isa;
  return true;
}

}  // namespace resgrad::kernels
