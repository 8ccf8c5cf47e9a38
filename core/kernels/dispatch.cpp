// Picks the copy of each kernel family that belongs to the active instruction set. A table is
// built by code of its own set, so it must not be touched before the set is known to be supported.
#include "core/kernels/adamw.h"
#include "core/kernels/arithmetic.h"
#include "core/kernels/batch_norm.h"
#include "core/kernels/conv2d/direct/direct.h"
#include "core/kernels/conv2d/grouped/grouped.h"
#include "core/kernels/conv2d/winograd/winograd.h"
#include "core/kernels/dropout.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/isa.h"
#include "core/kernels/peak.h"
#include "core/kernels/pool.h"
#include "core/kernels/sgd.h"
#include "core/kernels/sum.h"

#ifdef RESGRAD_X86_ISAS
#define RESGRAD_DECLARE_X86(Family, family) \
  namespace avx2 {                          \
  template <class T>                        \
  Family<T> family();                       \
  }                                         \
  namespace avx512 {                        \
  template <class T>                        \
  Family<T> family();                       \
  }
#define RESGRAD_X86_CASES(Family, family)                 \
  if (active_isa() == Isa::avx512) {                      \
    static const Family<T> kernels = avx512::family<T>(); \
    return kernels;                                       \
  }                                                       \
  if (active_isa() == Isa::avx2) {                        \
    static const Family<T> kernels = avx2::family<T>();   \
    return kernels;                                       \
  }
#else
#define RESGRAD_DECLARE_X86(Family, family)
#define RESGRAD_X86_CASES(Family, family)
#endif

#define RESGRAD_DISPATCH_FLOAT(Family, family)              \
  namespace baseline {                                      \
  template <class T>                                        \
  Family<T> family();                                       \
  }                                                         \
  RESGRAD_DECLARE_X86(Family, family)                       \
  template <class T>                                        \
  const Family<T>& family() {                               \
    RESGRAD_X86_CASES(Family, family)                       \
    static const Family<T> kernels = baseline::family<T>(); \
    return kernels;                                         \
  }                                                         \
  template const Family<float>& family();

#define RESGRAD_DISPATCH(Family, family) \
  RESGRAD_DISPATCH_FLOAT(Family, family) \
  template const Family<double>& family();

namespace resgrad::kernels {

RESGRAD_DISPATCH(AdamwKernels, adamw)
RESGRAD_DISPATCH(ArithmeticKernels, arithmetic)
RESGRAD_DISPATCH(BatchNormKernels, batch_norm)
RESGRAD_DISPATCH_FLOAT(DirectKernels, direct)
RESGRAD_DISPATCH(DropoutKernels, dropout)
RESGRAD_DISPATCH(ElementwiseKernels, elementwise)
RESGRAD_DISPATCH_FLOAT(GroupedKernels, grouped)
RESGRAD_DISPATCH_FLOAT(PeakKernels, peak)
RESGRAD_DISPATCH(PoolKernels, pool)
RESGRAD_DISPATCH(SgdKernels, sgd)
RESGRAD_DISPATCH(SumKernels, sums)
RESGRAD_DISPATCH_FLOAT(WinogradKernels, winograd)

}  // namespace resgrad::kernels
