#include "core/kernels/gemm.h"

#include <omp.h>

#include <algorithm>

#include "core/kernels/threads.h"
#include "core/xtensor.h"

namespace resgrad::kernels {
namespace {

// A part of a product: smaller ones would spend their time on packing the operand they share, or on
// the start of the parallel region.
constexpr std::int64_t kLeastLines = 128;
constexpr std::int64_t kLeastMultiplyAdds = 1 << 20;

// While it lives, BLAS computes in the calling thread. OpenBLAS takes as many threads as OpenMP
// says for its caller and lets them wait for each other: where OpenMP then gives fewer, forever.
class BlasInThisThread {
 public:
  BlasInThisThread() { omp_set_num_threads(1); }
  ~BlasInThisThread() { omp_set_num_threads(before_); }
  BlasInThisThread(const BlasInThisThread&) = delete;
  BlasInThisThread& operator=(const BlasInThisThread&) = delete;

 private:
  int before_ = omp_get_max_threads();
};

template <class T>
void gemm_part(Transpose transpose_a, Transpose transpose_b, std::int64_t m, std::int64_t n,
               std::int64_t k, T alpha, const T* a, std::int64_t lda, const T* b, std::int64_t ldb,
               T beta, T* c, std::int64_t ldc) {
  const BlasInThisThread one_thread;
  const auto op = [](Transpose t) {
    return t == Transpose::yes ? cxxblas::Transpose::Trans : cxxblas::Transpose::NoTrans;
  };
  const auto index = [](std::int64_t i) { return static_cast<xt::blas_index_t>(i); };
  cxxblas::gemm<xt::blas_index_t>(cxxblas::StorageOrder::RowMajor, op(transpose_a), op(transpose_b),
                                  index(m), index(n), index(k), alpha, a, index(lda), b, index(ldb),
                                  beta, c, index(ldc));
}

}  // namespace

template <class T>
void gemm(Transpose transpose_a, Transpose transpose_b, std::int64_t m, std::int64_t n,
          std::int64_t k, T alpha, const T* a, std::int64_t lda, const T* b, std::int64_t ldb,
          T beta, T* c, std::int64_t ldc) {
  if (m == 0 || n == 0) return;
  // Parts of rows or of columns, whichever are more. How many depends on the sizes alone, so that
  // the result does not depend on the threads.
  const std::int64_t lines = std::max(m, n);
  const std::int64_t parts =
      std::max<std::int64_t>(1, std::min(lines / kLeastLines, m * n * k / kLeastMultiplyAdds));
  const std::int64_t a_line = m >= n ? (transpose_a == Transpose::yes ? 1 : lda) : 0;
  const std::int64_t b_line = m >= n ? 0 : (transpose_b == Transpose::yes ? ldb : 1);
  const std::int64_t c_line = m >= n ? ldc : 1;
#pragma omp parallel for schedule(static) num_threads(num_threads()) if (parts > 1)
  for (std::int64_t i = 0; i < parts; ++i) {
    const std::int64_t begin = lines * i / parts, count = lines * (i + 1) / parts - begin;
    gemm_part(transpose_a, transpose_b, m >= n ? count : m, m >= n ? n : count, k, alpha,
              a + begin * a_line, lda, b + begin * b_line, ldb, beta, c + begin * c_line, ldc);
  }
}
template void gemm(Transpose, Transpose, std::int64_t, std::int64_t, std::int64_t, float,
                   const float*, std::int64_t, const float*, std::int64_t, float, float*,
                   std::int64_t);
template void gemm(Transpose, Transpose, std::int64_t, std::int64_t, std::int64_t, double,
                   const double*, std::int64_t, const double*, std::int64_t, double, double*,
                   std::int64_t);

}  // namespace resgrad::kernels
