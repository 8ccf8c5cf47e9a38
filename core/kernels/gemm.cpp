#include "core/kernels/gemm.h"

#include "core/xtensor.h"

namespace resgrad::kernels {

template <class T>
void gemm(Transpose transpose_a, Transpose transpose_b, std::int64_t m, std::int64_t n,
          std::int64_t k, T alpha, const T* a, std::int64_t lda, const T* b, std::int64_t ldb,
          T beta, T* c, std::int64_t ldc) {
  if (m == 0 || n == 0) return;
  const auto op = [](Transpose t) {
    return t == Transpose::yes ? cxxblas::Transpose::Trans : cxxblas::Transpose::NoTrans;
  };
  const auto index = [](std::int64_t i) { return static_cast<xt::blas_index_t>(i); };
  cxxblas::gemm<xt::blas_index_t>(cxxblas::StorageOrder::RowMajor, op(transpose_a), op(transpose_b),
                                  index(m), index(n), index(k), alpha, a, index(lda), b, index(ldb),
                                  beta, c, index(ldc));
}
template void gemm(Transpose, Transpose, std::int64_t, std::int64_t, std::int64_t, float,
                   const float*, std::int64_t, const float*, std::int64_t, float, float*,
                   std::int64_t);
template void gemm(Transpose, Transpose, std::int64_t, std::int64_t, std::int64_t, double,
                   const double*, std::int64_t, const double*, std::int64_t, double, double*,
                   std::int64_t);

}  // namespace resgrad::kernels
