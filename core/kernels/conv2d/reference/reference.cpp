// The reference engine: im2col and a matrix product, in chunks of output lines that fit the L2
// cache. Threads share the chunks of all groups; in backward_input, where neighbouring chunks add
// to the same lines of dx, the images of all groups.
#include <omp.h>

#include <algorithm>

#include "core/kernels/batch_norm.h"
#include "core/kernels/conv2d.h"
#include "core/kernels/conv2d/workspace.h"
#include "core/kernels/gemm.h"
#include "core/kernels/threads.h"

namespace resgrad::kernels {
namespace {

constexpr std::int64_t kColumnBytes = 512 * 1024;

// A pass is cut into so many parts where there are enough lines: chunks are smaller if need be, and
// in backward_weight threads share the groups, and shares of the chunks with a sum each. By the
// shape alone: the bits do not depend on the threads.
constexpr std::int64_t kParts = 16;

std::size_t align64(std::size_t bytes) {
  return (bytes + 63) / 64 * 64;
}

// The sizes that follow from Conv2dDims. A line is one row of the output image.
template <class T>
struct Sizes {
  Sizes(const Conv2dDims& d, Conv2dPass pass)
      : taps(d.k_h * d.k_w),
        depth(taps * d.group_in()),
        // a pointwise convolution reads a plain x as it lies
        direct(taps == 1 && d.stride_h == 1 && d.stride_w == 1 && d.pad_h == 0 && d.pad_w == 0) {
    const std::int64_t line_bytes = d.w_out() * depth * static_cast<std::int64_t>(sizeof(T));
    const std::int64_t images = d.n * d.groups;
    const std::int64_t enough =
        pass == Conv2dPass::backward_input ? d.h_out() : ceil_div(d.h_out() * images, kParts);
    lines = std::max<std::int64_t>(
        1, std::min({kColumnBytes / std::max<std::int64_t>(1, line_bytes), d.h_out(), enough}));
    chunks = ceil_div(d.h_out(), lines);
    column_bytes = align64(static_cast<std::size_t>(lines * line_bytes));
    weight_bytes = align64(static_cast<std::size_t>(d.c_out * depth) * sizeof(T));
    sums = 1;
    std::int64_t items = images;
    if (pass == Conv2dPass::forward) items = images * chunks;
    if (pass == Conv2dPass::backward_weight) {
      sums =
          std::clamp<std::int64_t>(kParts / d.groups, 1, std::max<std::int64_t>(1, d.n * chunks));
      items = sums * d.groups;
    }
    parts = std::clamp<std::int64_t>(items, 1, num_threads());
  }

  std::int64_t taps, depth;
  bool direct;
  std::int64_t lines, chunks;  // most lines of a chunk; chunks of an image
  std::size_t column_bytes, weight_bytes;
  std::int64_t sums;   // of backward_weight: one for each of so many shares of the chunks
  std::int64_t parts;  // most threads
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

// Lines [h_begin, h_end) of image n of the output, of which `row` is the first row of all images'
// matrix.
struct Chunk {
  std::int64_t n, h_begin, h_end, row, rows;
};

// Chunk number i of all images.
template <class T>
Chunk chunk_of(std::int64_t i, const Conv2dDims& d, const Sizes<T>& sizes) {
  const std::int64_t n = i / sizes.chunks, h = i % sizes.chunks * sizes.lines;
  const std::int64_t end = std::min(h + sizes.lines, d.h_out());
  return {n, h, end, (n * d.h_out() + h) * d.w_out(), (end - h) * d.w_out()};
}

// Calls f(column, pixel) for each output position and tap of a chunk: `column` is the place of the
// tap's channels in the columns, `pixel` that in the image, null where the tap lies in the padding.
template <class T, class Column, class Image, class F>
void for_each_tap(Column* columns, Image* images, const Chunk& chunk, std::int64_t group,
                  const Conv2dDims& d, const F& f) {
  Column* column = columns;
  const std::int64_t c = d.group_in();
  for (std::int64_t ho = chunk.h_begin; ho < chunk.h_end; ++ho) {
    for (std::int64_t wo = 0; wo < d.w_out(); ++wo) {
      for (std::int64_t kh = 0; kh < d.k_h; ++kh) {
        const std::int64_t h = ho * d.stride_h - d.pad_h + kh * d.dilation_h;
        for (std::int64_t kw = 0; kw < d.k_w; ++kw, column += c) {
          const std::int64_t w = wo * d.stride_w - d.pad_w + kw * d.dilation_w;
          const bool inside = h >= 0 && h < d.h_in && w >= 0 && w < d.w_in;
          f(column,
            inside ? images + ((chunk.n * d.h_in + h) * d.w_in + w) * d.c_in + group * c : nullptr);
        }
      }
    }
  }
}

template <class T>
void im2col(T* columns, const Conv2dInput<T>& x, const Chunk& chunk, std::int64_t group,
            const Conv2dDims& d) {
  const std::int64_t c = d.group_in();
  const auto norm_relu = batch_norm<T>().norm_relu;
  for_each_tap<T>(columns, x.x, chunk, group, d, [&](T* column, const T* pixel) {
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
void col2im(const T* columns, T* dx, const Chunk& chunk, std::int64_t group, const Conv2dDims& d) {
  const std::int64_t c = d.group_in();
  for_each_tap<T>(columns, dx, chunk, group, d, [c](const T* column, T* pixel) {
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

struct Range {
  std::int64_t begin, end;
};

// Runs f(range) for all of `parts` nearly equal parts of [0, count), one for each thread: see
// threads.h. omp_get_thread_num() says whose scratch memory it may use.
template <class F>
void for_each_part(std::int64_t parts, std::int64_t count, const F& f) {
#pragma omp parallel for schedule(static) num_threads(static_cast <int>(parts))
  for (std::int64_t i = 0; i < parts; ++i) f(Range{count * i / parts, count * (i + 1) / parts});
}

template <class T>
class ReferencePlan final : public Conv2dPlan<T> {
 public:
  ReferencePlan(const Conv2dDims& dims, Conv2dPass p) : d_(dims), pass_(p), sizes_(dims, p) {}

  std::size_t workspace_bytes() const override {
    return static_cast<std::size_t>(sizes_.parts) * sizes_.column_bytes +
           static_cast<std::size_t>(sizes_.sums) * sizes_.weight_bytes;
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
    for_each_part(sizes_.parts, d_.n * sizes_.chunks * d_.groups, [&](Range items) {
      T* column = own_columns(workspace);
      for (std::int64_t i = items.begin; i < items.end; ++i) {
        const std::int64_t group = i % d_.groups;
        const Chunk chunk = chunk_of(i / d_.groups, d_, sizes_);
        const Matrix<const T> a = patches(column, x, chunk, group);
        gemm<T>(Transpose::no, Transpose::yes, chunk.rows, d_.group_out(), sizes_.depth, 1, a.data,
                a.stride, packed + group * d_.group_out() * sizes_.depth, sizes_.depth, 0,
                y + chunk.row * d_.c_out + group * d_.group_out(), d_.c_out);
      }
    });
  }

  void backward_input(T* dx, const T* dy, const T* w, std::byte* workspace) const {
    T* packed = reinterpret_cast<T*>(workspace);
    pack_weight(packed, w, d_, sizes_.taps);
    for_each_part(sizes_.parts, d_.n * d_.groups, [&](Range items) {
      T* column = own_columns(workspace);
      for (std::int64_t i = items.begin; i < items.end; ++i) {
        const std::int64_t n = i / d_.groups, group = i % d_.groups;
        if (!sizes_.direct) clear(dx, n, group);
        for (std::int64_t c = n * sizes_.chunks; c < (n + 1) * sizes_.chunks; ++c) {
          const Chunk chunk = chunk_of(c, d_, sizes_);
          const Matrix<T> a =
              sizes_.direct ? Matrix<T>{dx + chunk.row * d_.c_in + group * d_.group_in(), d_.c_in}
                            : Matrix<T>{column, sizes_.depth};
          gemm<T>(Transpose::no, Transpose::no, chunk.rows, sizes_.depth, d_.group_out(), 1,
                  dy + chunk.row * d_.c_out + group * d_.group_out(), d_.c_out,
                  packed + group * d_.group_out() * sizes_.depth, sizes_.depth, 0, a.data,
                  a.stride);
          if (!sizes_.direct) col2im<T>(column, dx, chunk, group, d_);
        }
      }
    });
  }

  void backward_weight(T* dw, const T* dy, const Conv2dInput<T>& x, std::byte* workspace) const {
    const auto partial = [&](std::int64_t sum) {
      return reinterpret_cast<T*>(workspace + static_cast<std::size_t>(sum) * sizes_.weight_bytes);
    };
    const std::int64_t chunks = d_.n * sizes_.chunks;
    for_each_part(sizes_.parts, sizes_.sums * d_.groups, [&](Range own) {
      for (std::int64_t i = own.begin; i < own.end; ++i) {
        const std::int64_t sum = i / d_.groups;
        add_share(partial(sum), dy, x,
                  {chunks * sum / sizes_.sums, chunks * (sum + 1) / sizes_.sums}, i % d_.groups,
                  own_columns(workspace));
      }
    });
    const std::int64_t c_in = d_.group_in();
    for_each_part(sizes_.parts, d_.c_out, [&](Range outputs) {
      for (std::int64_t o = outputs.begin; o < outputs.end; ++o)
        for (std::int64_t c = 0; c < c_in; ++c)
          for (std::int64_t tap = 0; tap < sizes_.taps; ++tap) {
            T total = 0;
            for (std::int64_t sum = 0; sum < sizes_.sums; ++sum) {
              total += partial(sum)[(o * sizes_.taps + tap) * c_in + c];
            }
            dw[(o * c_in + c) * sizes_.taps + tap] = total;
          }
    });
  }

  // What some chunks add to the gradient of a group's weights, in sums[c_out][kh][kw][c].
  void add_share(T* sums, const T* dy, const Conv2dInput<T>& x, Range chunks, std::int64_t group,
                 T* column) const {
    const std::int64_t size = d_.group_out() * sizes_.depth;
    std::fill_n(sums + group * size, size, T{0});
    for (std::int64_t i = chunks.begin; i < chunks.end; ++i) {
      const Chunk chunk = chunk_of(i, d_, sizes_);
      const Matrix<const T> a = patches(column, x, chunk, group);
      gemm<T>(Transpose::yes, Transpose::no, d_.group_out(), sizes_.depth, chunk.rows, 1,
              dy + chunk.row * d_.c_out + group * d_.group_out(), d_.c_out, a.data, a.stride, 1,
              sums + group * size, sizes_.depth);
    }
  }

  // dx = 0 for an image's channels of a group.
  void clear(T* dx, std::int64_t n, std::int64_t group) const {
    const std::int64_t pixels = d_.h_in * d_.w_in;
    T* to = dx + n * pixels * d_.c_in + group * d_.group_in();
    for (std::int64_t i = 0; i < pixels; ++i) std::fill_n(to + i * d_.c_in, d_.group_in(), T{0});
  }

  // The calling thread's, behind the weights.
  T* own_columns(std::byte* workspace) const {
    const auto thread = static_cast<std::size_t>(omp_get_thread_num());
    return reinterpret_cast<T*>(workspace +
                                static_cast<std::size_t>(sizes_.sums) * sizes_.weight_bytes +
                                thread * sizes_.column_bytes);
  }

  // The input patches of a chunk as a matrix [rows, depth]: gathered into `column`, or x itself.
  Matrix<const T> patches(T* column, const Conv2dInput<T>& x, const Chunk& chunk,
                          std::int64_t group) const {
    if (sizes_.direct && x.norm.scale == nullptr)
      return {x.x + chunk.row * d_.c_in + group * d_.group_in(), d_.c_in};
    im2col(column, x, chunk, group, d_);
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
