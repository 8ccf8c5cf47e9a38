#include "core/kernels/batch_norm.h"

#include "core/kernels/assert.h"
#include "core/kernels/norm_relu_isa.h"
#include "core/kernels/pack_isa.h"
#include "core/kernels/range_isa.h"
#include "core/kernels/threads.h"

namespace resgrad::kernels::RESGRAD_ISA {
namespace {

constexpr std::int64_t kRun = 32;  // rows that are summed in T before they go to double

// Rows of fewer channels are taken several at a time, as one wide row: the matrix [rows, channels]
// in memory is as well [rows / k, k * channels]. Loops over rows of 16 channels would be all start
// and end.
constexpr std::int64_t kWide = 256;

struct WideRows {
  std::int64_t joined;       // rows in a wide row
  std::int64_t rows, width;  // of the wide matrix
  std::int64_t rest;         // elements behind the last wide row
};

WideRows widen(std::int64_t rows, std::int64_t channels, std::int64_t wide) {
  const std::int64_t joined = most(1, wide / most(1, channels));
  return {joined, rows / joined, joined * channels, rows % joined * channels};
}

// Factors per channel, repeated along a wide row.
template <class T, int kCount>
struct Factors {
  Factors(const T* const (&factors)[kCount], std::int64_t channels, const WideRows& wide) {
    RESGRAD_ASSERT(wide.joined == 1 || wide.width <= kWide);
    for (int f = 0; f < kCount; ++f) {
      of[f] = wide.joined == 1 ? factors[f] : repeated[f];
      if (wide.joined == 1) continue;
      for (std::int64_t i = 0; i < wide.width; ++i) repeated[f][i] = factors[f][i % channels];
    }
  }
  Factors(const Factors&) = delete;
  Factors& operator=(const Factors&) = delete;

  const T* of[kCount];

 private:
  T repeated[kCount][kWide];
};

// Columns whose factors or sums stay in registers.
template <class T>
constexpr std::int64_t kRegisterColumns = 4 * kPackLanes<T>;

// How map() takes the matrix: as rows that registers hold the factors of, if such rows are some
// pixels each.
template <class T>
WideRows widen_for_map(std::int64_t rows, std::int64_t channels) {
  const bool narrow = channels > 0 && kRegisterColumns<T> % channels == 0;
  return widen(rows, channels, narrow ? kRegisterColumns<T> : kWide);
}

template <bool kStream, class T, int kCount, class F>
void map_as(T* to, std::int64_t channels, const WideRows& wide, const T* const (&factors)[kCount],
            const F& f) {
  const Factors<T, kCount> repeated(factors, channels, wide);
#pragma omp parallel num_threads(num_threads())
  {
    // local copies: stores through `to` might alias what the lambda captured
    const F body = f;
    const T* of[kCount];
    for (int k = 0; k < kCount; ++k) of[k] = repeated.of[k];
    const auto map_pack = [&]<class V>(std::int64_t i, std::int64_t c)
        __attribute__((always_inline)) {
      V values[kCount];
#pragma GCC unroll 8
      for (int k = 0; k < kCount; ++k) values[k] = get<V>(of[k] + c);
      put_or_stream<kStream, V>(to + i, body.template operator()<V>(i, values));
    };
    if (wide.width == kRegisterColumns<T>) {
      Pack<T> values[4][kCount];
#pragma GCC unroll 4
      for (int p = 0; p < 4; ++p) {
#pragma GCC unroll 8
        for (int k = 0; k < kCount; ++k) values[p][k] = get<Pack<T>>(of[k] + p * kPackLanes<T>);
      }
#pragma omp for schedule(static)
      for (std::int64_t r = 0; r < wide.rows; ++r) {
#pragma GCC unroll 4
        for (int p = 0; p < 4; ++p) {
          const std::int64_t i = r * kRegisterColumns<T> + p * kPackLanes<T>;
          put_or_stream<kStream, Pack<T>>(to + i, body.template operator()<Pack<T>>(i, values[p]));
        }
      }
    } else {
#pragma omp for schedule(static)
      for (std::int64_t r = 0; r < wide.rows; ++r) {
        for_each_pack<T>(
            wide.width, [&]<class V>(std::int64_t c) __attribute__((always_inline)) {
              map_pack.template operator()<V>(r * wide.width + c, c);
            });
      }
    }
#pragma omp single nowait
    for (std::int64_t c = 0; c < wide.rest; ++c) {
      map_pack.template operator()<T>(wide.rows * wide.width + c, c);
    }
    if constexpr (kStream) finish_streaming();
  }
}

// Whether a result of the shape of the matrix is streamed.
template <class T>
bool streams(const T* to, std::int64_t rows, std::int64_t channels, const WideRows& wide) {
  return wide.width % kPackLanes<T> == 0 &&
         worth_streaming(to, rows * channels * static_cast<std::int64_t>(sizeof(T)));
}

// to[i] = f.operator()<V>(i, factor...) for all elements i of the matrix, several at a time.
template <class T, int kCount, class F>
void map(T* to, std::int64_t rows, std::int64_t channels, const T* const (&factors)[kCount],
         const F& f) {
  const WideRows wide = widen_for_map<T>(rows, channels);
  streams(to, rows, channels, wide) ? map_as<true>(to, channels, wide, factors, f)
                                    : map_as<false>(to, channels, wide, factors, f);
}

// first[c] and second[c] = what terms.operator()<V>(i, column + c, &a, &b) gives for element i,
// summed over a run of rows, for kRegisterColumns columns: `begin` is the first element.
template <class T, class Terms>
RESGRAD_INLINE void sum_in_registers(T* first, T* second, std::int64_t begin, std::int64_t column,
                                     std::int64_t rows, std::int64_t width, const Terms& terms) {
  Pack<T> sum[2][4] = {};
  for (std::int64_t r = 0; r < rows; ++r) {
#pragma GCC unroll 4
    for (int p = 0; p < 4; ++p) {
      const std::int64_t c = p * kPackLanes<T>;
      Pack<T> a, b;
      terms.template operator()<Pack<T>>(begin + r * width + c, column + c, &a, &b);
      sum[0][p] += a;
      sum[1][p] += b;
    }
  }
#pragma GCC unroll 4
  for (int p = 0; p < 4; ++p) {
    put<Pack<T>>(first + p * kPackLanes<T>, sum[0][p]);
    put<Pack<T>>(second + p * kPackLanes<T>, sum[1][p]);
  }
}

// The same for any number of columns, with the sums in the L1 cache, row after row: the hardware
// prefetcher would not follow short pieces of rows that are far apart.
template <class T, class Terms>
RESGRAD_INLINE void sum_in_cache(T* first, T* second, std::int64_t begin, std::int64_t column,
                                 std::int64_t columns, std::int64_t rows, std::int64_t width,
                                 const Terms& terms) {
  for (std::int64_t i = 0; i < columns; ++i) first[i] = second[i] = 0;
  for (std::int64_t r = 0; r < rows; ++r) {
    for_each_pack<T>(
        columns, [&]<class V>(std::int64_t c) __attribute__((always_inline)) {
          V a, b;
          terms.template operator()<V>(begin + r * width + c, column + c, &a, &b);
          put<V>(first + c, get<V>(first + c) + a);
          put<V>(second + c, get<V>(second + c) + b);
        });
  }
}

// Adds the terms of the rows to sums[0 .. width) and sums[width .. 2 * width).
template <class T, class Terms>
void sum_block(double* sums, std::int64_t width, Range rows, const Terms& terms) {
  const bool short_rows = width == kRegisterColumns<T>;
  T first[kWide], second[kWide];
  for (std::int64_t begin = rows.begin; begin < rows.end; begin += kRun) {
    const std::int64_t run = least(kRun, rows.end - begin);
    for (std::int64_t c = 0, count = 0; c < width; c += count) {
      const std::int64_t element = begin * width + c;
      if (short_rows) {
        count = kRegisterColumns<T>;
        sum_in_registers(first, second, element, c, run, width, terms);
      } else {
        count = least(kWide, width - c);
        sum_in_cache(first, second, element, c, count, run, width, terms);
      }
      for (std::int64_t i = 0; i < count; ++i) {
        sums[c + i] += static_cast<double>(first[i]);
        sums[width + c + i] += static_cast<double>(second[i]);
      }
    }
  }
}

// For each block of rows and each channel c: two sums in scratch[block][0..1][c], of what `terms`
// gives. The blocks lie at the same rows whatever the number of threads.
template <class T, class Terms>
void sum_rows(double* scratch, std::int64_t rows, std::int64_t channels, const Terms& terms) {
  const WideRows wide = widen(rows, channels, kRegisterColumns<T>);
#pragma omp parallel for schedule(static) num_threads(num_threads())
  for (std::int64_t block = 0; block < kBatchNormBlocks; ++block) {
    const Terms own = terms;  // a local copy: stores might alias the one that is shared
    double* sums = scratch + block * 2 * channels;
    double joined[2 * kWide];
    double* wide_sums = wide.joined == 1 ? sums : joined;
    for (std::int64_t c = 0; c < 2 * wide.width; ++c) wide_sums[c] = 0;
    sum_block<T>(wide_sums, wide.width, part({0, wide.rows}, block, kBatchNormBlocks), own);
    finish_streaming();  // of what the terms may have stored
    if (wide.joined == 1) continue;
    for (std::int64_t c = 0; c < 2 * channels; ++c) sums[c] = 0;
    for (std::int64_t which = 0; which < 2; ++which) {
      for (std::int64_t c = 0; c < wide.width; ++c) {
        sums[which * channels + c % channels] += joined[which * wide.width + c];
      }
    }
  }
  // the rows behind the last wide row
  double* last = scratch + (kBatchNormBlocks - 1) * 2 * channels;
  for (std::int64_t i = 0; i < wide.rest; ++i) {
    T a, b;
    terms.template operator()<T>(wide.rows * wide.width + i, i, &a, &b);
    last[i % channels] += static_cast<double>(a);
    last[channels + i % channels] += static_cast<double>(b);
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
  const Factors<T, 1> pivot({x}, channels, widen(rows, channels, kRegisterColumns<T>));
  const T* pivots = pivot.of[0];
  sum_rows<T>(
      scratch, rows, channels,
      [=]<class V>(std::int64_t i, std::int64_t c, V * first, V * second)
          __attribute__((always_inline)) {
            const V d = get<V>(x + i) - get<V>(pivots + c);
            *first = d;
            *second = d * d;
          });
  const double n = static_cast<double>(rows);
  for (std::int64_t c = 0; c < channels; ++c) {
    const double d = block_sum(scratch, channels, 0, c) / n;
    const double v = block_sum(scratch, channels, 1, c) / n - d * d;
    mean[c] = static_cast<T>(static_cast<double>(x[c]) + d);
    var[c] = static_cast<T>(v > 0 || v != v ? v : 0);
  }
}

template <bool kAdd, bool kRelu, class T>
void apply_as(T* y, const T* x, const Normalisation<T>& norm, const T* residual, std::int64_t rows,
              std::int64_t channels) {
  map<T, 3>(
      y, rows, channels, {norm.mean, norm.scale, norm.shift},
      [=]<class V>(std::int64_t i, const V(&factor)[3]) __attribute__((always_inline)) {
        V v = (get<V>(x + i) - factor[0]) * factor[1] + factor[2];
        if constexpr (kAdd) v += get<V>(residual + i);
        if constexpr (kRelu) v = v < V{} ? V{} : v;  // NaN stays NaN
        return v;
      });
}

template <class T>
void apply(T* y, const T* x, const Normalisation<T>& norm, const T* residual, bool relu,
           std::int64_t rows, std::int64_t channels) {
  const auto pass = residual != nullptr
                        ? (relu ? apply_as<true, true, T> : apply_as<true, false, T>)
                        : (relu ? apply_as<false, true, T> : apply_as<false, false, T>);
  pass(y, x, norm, residual, rows, channels);
}

template <class T>
void norm_relu_pixel(T* y, const T* x, const Normalisation<T>& norm, std::int64_t channels) {
  for_each_pack<T>(
      channels, [&]<class V>(std::int64_t c) __attribute__((always_inline)) {
        put<V>(y + c, norm_relu(get<V>(x + c), get<V>(norm.mean + c), get<V>(norm.scale + c),
                                get<V>(norm.shift + c)));
      });
}

enum class Masked { no, by_output, by_input };

// Calls f.operator()<how>() with what the mask goes by.
template <class T, class F>
void with_mask(const ReluMask<T>& mask, const F& f) {
  if (mask.y != nullptr) {
    f.template operator()<Masked::by_output>();
  } else if (mask.norm.scale != nullptr) {
    f.template operator()<Masked::by_input>();
  } else {
    f.template operator()<Masked::no>();
  }
}

// What becomes of the masked gradients.
enum class Keep { no, in_cache, streamed };

template <Masked kMask, Keep kKeep, class T>
void sum_gradients(double* scratch, T* g_out, const T* dy, const ReluMask<T>& mask, const T* x,
                   const T* mean, std::int64_t rows, std::int64_t channels) {
  constexpr bool kByInput = kMask == Masked::by_input;
  // without scale and shift, the mean in their place is not read
  const Factors<T, 3> factors(
      {mean, kByInput ? mask.norm.scale : mean, kByInput ? mask.norm.shift : mean}, channels,
      widen(rows, channels, kRegisterColumns<T>));
  const T *means = factors.of[0], *scales = factors.of[1], *shifts = factors.of[2];
  const T* y = mask.y;
  sum_rows<T>(
      scratch, rows, channels,
      [=]<class V>(std::int64_t i, std::int64_t c, V * first, V * second)
          __attribute__((always_inline)) {
            const V value = get<V>(x + i), centre = get<V>(means + c);
            V g = get<V>(dy + i);
            if constexpr (kMask == Masked::by_output) g = get<V>(y + i) > V{} ? g : V{};
            if constexpr (kByInput) {
              const V output = norm_relu(value, centre, get<V>(scales + c), get<V>(shifts + c));
              g = output > V{} ? g : V{};
            }
            if constexpr (kKeep != Keep::no)
              put_or_stream<kKeep == Keep::streamed, V>(g_out + i, g);
            *first = g;
            *second = g * (value - centre);
          });
}

template <class T>
void backward_reduce(T* sum_dy, T* sum_dy_xhat, T* g, const T* dy, const ReluMask<T>& mask,
                     const T* x, const T* mean, const T* inv_std, std::int64_t rows,
                     std::int64_t channels, double* scratch) {
  with_mask(mask, [&]<Masked kMask>() {
    const auto pass = g == nullptr ? sum_gradients<kMask, Keep::no, T>
                      : streams(g, rows, channels, widen(rows, channels, kRegisterColumns<T>))
                          ? sum_gradients<kMask, Keep::streamed, T>
                          : sum_gradients<kMask, Keep::in_cache, T>;
    pass(scratch, g, dy, mask, x, mean, rows, channels);
  });
  for (std::int64_t c = 0; c < channels; ++c) {
    sum_dy[c] = static_cast<T>(block_sum(scratch, channels, 0, c));
    sum_dy_xhat[c] =
        static_cast<T>(block_sum(scratch, channels, 1, c) * static_cast<double>(inv_std[c]));
  }
}

template <class T>
void backward_input(T* dx, const T* dy, const ReluMask<T>& mask, const T* x, const T* mean,
                    const T* a, const T* b, const T* k, std::int64_t rows, std::int64_t channels) {
  const T* y = mask.y;
  if (mask.norm.scale != nullptr) {
    map<T, 6>(
        dx, rows, channels, {a, b, k, mean, mask.norm.scale, mask.norm.shift},
        [=]<class V>(std::int64_t i, const V(&factor)[6]) __attribute__((always_inline)) {
          const V value = get<V>(x + i);
          const V output = norm_relu(value, factor[3], factor[4], factor[5]);
          const V g = output > V{} ? get<V>(dy + i) : V{};
          return factor[0] * g + (factor[1] * (value - factor[3]) + factor[2]);
        });
    return;
  }
  const auto pass = [&]<bool kMask>() {
    map<T, 4>(
        dx, rows, channels, {a, b, k, mean},
        [=]<class V>(std::int64_t i, const V(&factor)[4]) __attribute__((always_inline)) {
          V g = get<V>(dy + i);
          if constexpr (kMask) g = get<V>(y + i) > V{} ? g : V{};
          return factor[0] * g + (factor[1] * (get<V>(x + i) - factor[3]) + factor[2]);
        });
  };
  y != nullptr ? pass.template operator()<true>() : pass.template operator()<false>();
}

template <class T>
void channel_sum(T* sum, const T* x, std::int64_t rows, std::int64_t channels, double* scratch) {
  sum_rows<T>(
      scratch, rows, channels,
      [=]<class V>(std::int64_t i, std::int64_t, V * first, V * second)
          __attribute__((always_inline)) {
            *first = get<V>(x + i);
            *second = V{};
          });
  for (std::int64_t c = 0; c < channels; ++c) {
    sum[c] = static_cast<T>(block_sum(scratch, channels, 0, c));
  }
}

template <class T>
void add_bias(T* y, const T* bias, std::int64_t rows, std::int64_t channels) {
  map<T, 1>(
      y, rows, channels,
      {bias}, [=]<class V>(std::int64_t i, const V(&factor)[1]) __attribute__((always_inline)) {
        return get<V>(y + i) + factor[0];
      });
}

}  // namespace

template <class T>
BatchNormKernels<T> batch_norm() {
  return {moments<T>,        apply<T>,       norm_relu_pixel<T>, backward_reduce<T>,
          backward_input<T>, channel_sum<T>, add_bias<T>};
}
template BatchNormKernels<float> batch_norm();
template BatchNormKernels<double> batch_norm();

}  // namespace resgrad::kernels::RESGRAD_ISA
