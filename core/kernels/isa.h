// Instruction sets. The files named *_isa.cpp are compiled once per set, into the namespaces
// baseline, avx2 and avx512; the active set decides which copy runs.
#pragma once

#include <string_view>

namespace resgrad::kernels {

enum class Isa { baseline, avx2, avx512 };

constexpr Isa kAllIsas[] = {Isa::baseline, Isa::avx2, Isa::avx512};

constexpr std::string_view name(Isa isa) {
  switch (isa) {
    case Isa::baseline:
      return "baseline";
    case Isa::avx2:
      return "avx2";
    case Isa::avx512:
      return "avx512";
  }
  return "?";
}

/// True when this CPU, its operating system and this build can run `isa`.
bool supported(Isa isa);

/// The best supported set.
Isa best_isa();

/// The set whose kernels run: best_isa() until set_isa() is called.
Isa active_isa();

/// Makes `isa` the active set; returns false, changing nothing, when it is not supported.
/// Must not be called while kernels run.
bool set_isa(Isa isa);

}  // namespace resgrad::kernels
