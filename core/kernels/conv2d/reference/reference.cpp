// The reference engine: im2col and a matrix product, in chunks of output lines that fit the L2
// cache, each thread on images of its own.
#include <algorithm>

#include "core/kernels/batch_norm.h"
#include "core/kernels/conv2d.h"
#include "core/kernels/gemm.h"
#include "core/kernels/threads.h"

namespace resgrad::kernels {
namespace {

constexpr std::int64_t kColumnBytes = 512 * 1024;

std::size_t align64(std::size_t bytes) {
  return (bytes + 63) / 64 * 64;
}

// The sizes that follow from Conv2dDims. A line is one row of the output image.
template <class T>
struct Sizes {
  explicit Sizes(const Conv2dDims& d)
      : taps(d.k_h * d.k_w),
        depth(taps * d.group_in()),
        lines_per_chunk(
            std::clamp<std::int64_t>(kColumnBytes / (std::max<std::int64_t>(1, d.w_out() * depth) *
                                                     static_cast<std::int64_t>(sizeof(T))),
                                     1, std::max<std::int64_t>(1, d.h_out()))),
        // a pointwise convolution reads a plain x as it lies
        direct(taps == 1 && d.stride_h == 1 && d.stride_w == 1 && d.pad_h == 0 && d.pad_w == 0),
        column_bytes(
            align64(static_cast<std::size_t>(lines_per_chunk * d.w_out() * depth) * sizeof(T))),
        weight_bytes(align64(static_cast<std::size_t>(d.c_out * depth) * sizeof(T))),
        parts(std::clamp<std::int64_t>(d.n, 1, num_threads())) {}

  std::int64_t taps, depth, lines_per_chunk;
  bool direct;
  std::size_t column_bytes, weight_bytes;
  std::int64_t parts;  // of the images
};

// packed[c_out][kh][kw][c] = w[c_out][c][kh][kw]
template <class T>
void pack_weight(T* packed, const T* w, const Conv2dDims& d, std::int64_t taps) {
  const std::int64_t c_in = d.group_in();
  for (std::int64_t o = 0; o < d.c_out; ++o)
    for (std::int64_t c = 0; c < c_in; ++c)
      for (std::int64_t t = 0; t < taps; ++t)
        packed[(o * taps + t) * c_in + c] = w[(o * c_in + c) * taps + t];
}

// Calls f(column, pixel) for each output position and tap of the lines [h_begin, h_end) of image
// n: `column` is the place of the tap's channels in the columns, `pixel` that in the image, null
// where the tap lies in the padding.
template <class T, class Column, class Image, class F>
void for_each_tap(Column* columns, Image* images, std::int64_t n, std::int64_t h_begin,
                  std::int64_t h_end, std::int64_t group, const Conv2dDims& d, const F& f) {
  Column* column = columns;
  const std::int64_t c = d.group_in();
  for (std::int64_t ho = h_begin; ho < h_end; ++ho) {
    for (std::int64_t wo = 0; wo < d.w_out(); ++wo) {
      for (std::int64_t kh = 0; kh < d.k_h; ++kh) {
        const std::int64_t h = ho * d.stride_h - d.pad_h + kh * d.dilation_h;
        for (std::int64_t kw = 0; kw < d.k_w; ++kw, column += c) {
          const std::int64_t w = wo * d.stride_w - d.pad_w + kw * d.dilation_w;
          const bool inside = h >= 0 && h < d.h_in && w >= 0 && w < d.w_in;
          f(column,
            inside ? images + ((n * d.h_in + h) * d.w_in + w) * d.c_in + group * c : nullptr);
        }
      }
    }
  }
}

template <class T>
void im2col(T* columns, const Conv2dInput<T>& x, std::int64_t n, std::int64_t h_begin,
            std::int64_t h_end, std::int64_t group, const Conv2dDims& d) {
  const std::int64_t c = d.group_in();
  const auto norm_relu = batch_norm<T>().norm_relu;
  for_each_tap<T>(columns, x.x, n, h_begin, h_end, group, d, [&](T* column, const T* pixel) {
    if (pixel == nullptr) {
      std::fill_n(column, c, T{0});
    } else if (x.norm.scale != nullptr) {
      norm_relu(column, pixel,
                {x.norm.mean + group * c, x.norm.scale + group * c, x.norm.shift + group * c}, c);
    } else {
      std::copy_n(pixel, c, column);
    }
  });
}

template <class T>
void col2im(const T* columns, T* dx, std::int64_t n, std::int64_t h_begin, std::int64_t h_end,
            std::int64_t group, const Conv2dDims& d) {
  const std::int64_t c = d.group_in();
  for_each_tap<T>(columns, dx, n, h_begin, h_end, group, d, [c](const T* column, T* pixel) {
    if (pixel == nullptr) return;
    for (std::int64_t i = 0; i < c; ++i) pixel[i] += column[i];
  });
}

// One matrix operand: its first element and its row stride.
template <class T>
struct Matrix {
  T* data;
  std::int64_t stride;
};

// Calls f(group, rows, first output row, h_begin, h_end, n) over chunks of lines of [n0, n1).
template <class F>
void for_each_chunk(std::int64_t n0, std::int64_t n1, std::int64_t lines, const Conv2dDims& d,
                    const F& f) {
  for (std::int64_t n = n0; n < n1; ++n) {
    for (std::int64_t h = 0; h < d.h_out(); h += lines) {
      const std::int64_t end = std::min(h + lines, d.h_out());
      for (std::int64_t group = 0; group < d.groups; ++group) {
        f(group, (end - h) * d.w_out(), (n * d.h_out() + h) * d.w_out(), h, end, n);
      }
    }
  }
}

// Runs f(part, n0, n1) for every part of the images [n0, n1): see threads.h.
template <class F>
void for_each_part(std::int64_t parts, const Conv2dDims& d, const F& f) {
#pragma omp parallel for schedule(static, 1) num_threads(static_cast <int>(parts))
  for (std::int64_t i = 0; i < parts; ++i) f(i, d.n * i / parts, d.n * (i + 1) / parts);
}

template <class T>
class ReferencePlan final : public Conv2dPlan<T> {
 public:
  ReferencePlan(const Conv2dDims& dims, Conv2dPass p) : d_(dims), pass_(p), sizes_(dims) {}

  std::size_t workspace_bytes() const override {
    const auto parts = static_cast<std::size_t>(sizes_.parts);
    const std::size_t weights = pass_ == Conv2dPass::backward_weight ? parts : 1;
    return parts * sizes_.column_bytes + weights * sizes_.weight_bytes;
  }

  void run(T* result, const Conv2dInput<T>& source, const T* factor,
           std::byte* workspace) const override {
    switch (pass_) {
      case Conv2dPass::forward:
        return forward(result, source, factor, workspace);
      case Conv2dPass::backward_input:
        return backward_input(result, source.x, factor, workspace);
      case Conv2dPass::backward_weight:
        return backward_weight(result, factor, source, workspace);
    }
  }

 private:
  void forward(T* y, const Conv2dInput<T>& x, const T* w, std::byte* workspace) const {
    T* packed = reinterpret_cast<T*>(workspace);
    pack_weight(packed, w, d_, sizes_.taps);
    std::byte* columns = workspace + sizes_.weight_bytes;
    for_each_part(sizes_.parts, d_, [&](std::int64_t part, std::int64_t n0, std::int64_t n1) {
      T* column = part_columns(columns, part);
      for_each_chunk(n0, n1, sizes_.lines_per_chunk, d_,
                     [&](auto group, auto rows, auto row, auto h_begin, auto h_end, auto n) {
                       const Matrix<const T> a = patches(column, x, n, h_begin, h_end, group, row);
                       gemm<T>(Transpose::no, Transpose::yes, rows, d_.group_out(), sizes_.depth, 1,
                               a.data, a.stride, packed + group * d_.group_out() * sizes_.depth,
                               sizes_.depth, 0, y + row * d_.c_out + group * d_.group_out(),
                               d_.c_out);
                     });
    });
  }

  void backward_input(T* dx, const T* dy, const T* w, std::byte* workspace) const {
    T* packed = reinterpret_cast<T*>(workspace);
    pack_weight(packed, w, d_, sizes_.taps);
    std::byte* columns = workspace + sizes_.weight_bytes;
    const std::int64_t image = d_.h_in * d_.w_in * d_.c_in;
    for_each_part(sizes_.parts, d_, [&](std::int64_t part, std::int64_t n0, std::int64_t n1) {
      T* column = part_columns(columns, part);
      if (!sizes_.direct) std::fill(dx + n0 * image, dx + n1 * image, T{0});
      for_each_chunk(n0, n1, sizes_.lines_per_chunk, d_,
                     [&](auto group, auto rows, auto row, auto h_begin, auto h_end, auto n) {
                       const Matrix<T> a =
                           sizes_.direct
                               ? Matrix<T>{dx + row * d_.c_in + group * d_.group_in(), d_.c_in}
                               : Matrix<T>{column, sizes_.depth};
                       gemm<T>(Transpose::no, Transpose::no, rows, sizes_.depth, d_.group_out(), 1,
                               dy + row * d_.c_out + group * d_.group_out(), d_.c_out,
                               packed + group * d_.group_out() * sizes_.depth, sizes_.depth, 0,
                               a.data, a.stride);
                       if (!sizes_.direct) col2im<T>(column, dx, n, h_begin, h_end, group, d_);
                     });
    });
  }

  void backward_weight(T* dw, const T* dy, const Conv2dInput<T>& x, std::byte* workspace) const {
    // a sum for each part: added in the order of the parts, so the same for every run
    std::byte* columns = workspace + static_cast<std::size_t>(sizes_.parts) * sizes_.weight_bytes;
    const auto partial = [&](std::int64_t part) {
      return reinterpret_cast<T*>(workspace + static_cast<std::size_t>(part) * sizes_.weight_bytes);
    };
    for_each_part(sizes_.parts, d_, [&](std::int64_t part, std::int64_t n0, std::int64_t n1) {
      T* column = part_columns(columns, part);
      std::fill_n(partial(part), d_.c_out * sizes_.depth, T{0});
      for_each_chunk(n0, n1, sizes_.lines_per_chunk, d_,
                     [&](auto group, auto rows, auto row, auto h_begin, auto h_end, auto n) {
                       const Matrix<const T> a = patches(column, x, n, h_begin, h_end, group, row);
                       gemm<T>(Transpose::yes, Transpose::no, d_.group_out(), sizes_.depth, rows, 1,
                               dy + row * d_.c_out + group * d_.group_out(), d_.c_out, a.data,
                               a.stride, 1, partial(part) + group * d_.group_out() * sizes_.depth,
                               sizes_.depth);
                     });
    });
    const std::int64_t c_in = d_.group_in();
    for (std::int64_t o = 0; o < d_.c_out; ++o)
      for (std::int64_t c = 0; c < c_in; ++c)
        for (std::int64_t tap = 0; tap < sizes_.taps; ++tap) {
          T sum = 0;
          for (std::int64_t part = 0; part < sizes_.parts; ++part) {
            sum += partial(part)[(o * sizes_.taps + tap) * c_in + c];
          }
          dw[(o * c_in + c) * sizes_.taps + tap] = sum;
        }
  }

  T* part_columns(std::byte* columns, std::int64_t part) const {
    return reinterpret_cast<T*>(columns + static_cast<std::size_t>(part) * sizes_.column_bytes);
  }

  // The input patches of a chunk as a matrix [rows, depth]: gathered into `column`, or x itself.
  Matrix<const T> patches(T* column, const Conv2dInput<T>& x, std::int64_t n, std::int64_t h_begin,
                          std::int64_t h_end, std::int64_t group, std::int64_t row) const {
    if (sizes_.direct && x.norm.scale == nullptr)
      return {x.x + row * d_.c_in + group * d_.group_in(), d_.c_in};
    im2col(column, x, n, h_begin, h_end, group, d_);
    return {column, sizes_.depth};
  }

  const Conv2dDims d_;
  const Conv2dPass pass_;
  const Sizes<T> sizes_;
};

template <class T>
class ReferenceConv2d final : public Conv2dEngine<T> {
 public:
  std::string_view name() const override { return "reference"; }
  bool supports(const Conv2dDims&, Conv2dPass) const override { return true; }
  std::unique_ptr<const Conv2dPlan<T>> plan(const Conv2dDims& d, Conv2dPass pass) const override {
    return std::make_unique<ReferencePlan<T>>(d, pass);
  }
};

}  // namespace

template <class T>
const Conv2dEngine<T>& reference_conv2d() {
  static const ReferenceConv2d<T> engine;
  return engine;
}
template const Conv2dEngine<float>& reference_conv2d();
template const Conv2dEngine<double>& reference_conv2d();

}  // namespace resgrad::kernels
