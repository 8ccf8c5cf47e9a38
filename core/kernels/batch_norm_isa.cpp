#include "core/kernels/batch_norm.h"

namespace resgrad::kernels::RESGRAD_ISA {
namespace {

constexpr std::int64_t kTile = 64;  // channels whose running sums stay in registers or L1
constexpr std::int64_t kRun = 32;   // rows that are summed in T before they go to double

// For each block of rows and each channel c: two sums in scratch[block][0..1][c], where
// terms(r, c, &first, &second) gives what element (r, c) adds.
template <class T, class Terms>
void sum_rows(double* scratch, std::int64_t rows, std::int64_t channels, const Terms& terms) {
#pragma omp parallel for schedule(static)
  for (std::int64_t block = 0; block < kBatchNormBlocks; ++block) {
    const std::int64_t begin = rows * block / kBatchNormBlocks;
    const std::int64_t end = rows * (block + 1) / kBatchNormBlocks;
    double* sums = scratch + block * 2 * channels;
    for (std::int64_t c = 0; c < 2 * channels; ++c) sums[c] = 0;
    for (std::int64_t run = begin; run < end; run += kRun) {
      const std::int64_t run_end = run + kRun < end ? run + kRun : end;
      for (std::int64_t c0 = 0; c0 < channels; c0 += kTile) {
        const std::int64_t width = channels - c0 < kTile ? channels - c0 : kTile;
        T first[kTile] = {}, second[kTile] = {};
        for (std::int64_t r = run; r < run_end; ++r) {
#pragma omp simd
          for (std::int64_t c = 0; c < width; ++c) {
            T a, b;
            terms(r, c0 + c, &a, &b);
            first[c] += a;
            second[c] += b;
          }
        }
        for (std::int64_t c = 0; c < width; ++c) {
          sums[c0 + c] += static_cast<double>(first[c]);
          sums[channels + c0 + c] += static_cast<double>(second[c]);
        }
      }
    }
  }
}

// Adds up the blocks: sum number `which` (0 or 1) of channel c.
double block_sum(const double* scratch, std::int64_t channels, std::int64_t which, std::int64_t c) {
  double sum = 0;
  for (std::int64_t block = 0; block < kBatchNormBlocks; ++block) {
    sum += scratch[(block * 2 + which) * channels + c];
  }
  return sum;
}

template <class T>
void moments(T* mean, T* var, const T* x, std::int64_t rows, std::int64_t channels,
             double* scratch) {
  // Sums of x - x[0] instead of x: the variance would cancel where the mean is large.
  const T* pivot = x;
  sum_rows<T>(scratch, rows, channels, [=](std::int64_t r, std::int64_t c, T* first, T* second) {
    const T d = x[r * channels + c] - pivot[c];
    *first = d;
    *second = d * d;
  });
  const double n = static_cast<double>(rows);
  for (std::int64_t c = 0; c < channels; ++c) {
    const double d = block_sum(scratch, channels, 0, c) / n;
    const double v = block_sum(scratch, channels, 1, c) / n - d * d;
    mean[c] = static_cast<T>(static_cast<double>(pivot[c]) + d);
    var[c] = static_cast<T>(v > 0 || v != v ? v : 0);
  }
}

template <class T>
void apply(T* y, const T* x, const T* scale, const T* shift, std::int64_t rows,
           std::int64_t channels) {
#pragma omp parallel for schedule(static)
  for (std::int64_t r = 0; r < rows; ++r) {
#pragma omp simd
    for (std::int64_t c = 0; c < channels; ++c) {
      y[r * channels + c] = x[r * channels + c] * scale[c] + shift[c];
    }
  }
}

template <class T>
void backward_reduce(T* sum_dy, T* sum_dy_xhat, const T* dy, const T* x, const T* mean,
                     const T* inv_std, std::int64_t rows, std::int64_t channels, double* scratch) {
  sum_rows<T>(scratch, rows, channels, [=](std::int64_t r, std::int64_t c, T* first, T* second) {
    const T g = dy[r * channels + c];
    *first = g;
    *second = g * ((x[r * channels + c] - mean[c]) * inv_std[c]);
  });
  for (std::int64_t c = 0; c < channels; ++c) {
    sum_dy[c] = static_cast<T>(block_sum(scratch, channels, 0, c));
    sum_dy_xhat[c] = static_cast<T>(block_sum(scratch, channels, 1, c));
  }
}

template <class T>
void backward_input(T* dx, const T* dy, const T* x, const T* a, const T* b, const T* k,
                    std::int64_t rows, std::int64_t channels) {
#pragma omp parallel for schedule(static)
  for (std::int64_t r = 0; r < rows; ++r) {
#pragma omp simd
    for (std::int64_t c = 0; c < channels; ++c) {
      const std::int64_t i = r * channels + c;
      dx[i] = a[c] * dy[i] + (b[c] * x[i] + k[c]);
    }
  }
}

template <class T>
void channel_sum(T* sum, const T* x, std::int64_t rows, std::int64_t channels, double* scratch) {
  sum_rows<T>(scratch, rows, channels, [=](std::int64_t r, std::int64_t c, T* first, T* second) {
    *first = x[r * channels + c];
    *second = T{0};
  });
  for (std::int64_t c = 0; c < channels; ++c) {
    sum[c] = static_cast<T>(block_sum(scratch, channels, 0, c));
  }
}

template <class T>
void add_bias(T* y, const T* bias, std::int64_t rows, std::int64_t channels) {
#pragma omp parallel for schedule(static)
  for (std::int64_t r = 0; r < rows; ++r) {
#pragma omp simd
    for (std::int64_t c = 0; c < channels; ++c) y[r * channels + c] += bias[c];
  }
}

}  // namespace

template <class T>
BatchNormKernels<T> batch_norm() {
  return {moments<T>, apply<T>, backward_reduce<T>, backward_input<T>, channel_sum<T>, add_bias<T>};
}
template BatchNormKernels<float> batch_norm();
template BatchNormKernels<double> batch_norm();

}  // namespace resgrad::kernels::RESGRAD_ISA
