// Convolution: sizes, what an engine and its plans are, and which engine computes what.
// Engines compute in channels_last: x [n, h_in, w_in, c_in], y [n, h_out, w_out, c_out]. Weights
// keep their logical order [c_out, c_in / groups, k_h, k_w].
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "core/kernels/conv2d/epilogue.h"
#include "core/kernels/conv2d/input.h"

namespace resgrad::kernels {

struct Conv2dDims {
  std::int64_t n, c_in, h_in, w_in, c_out, k_h, k_w;
  std::int64_t stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups;

  std::int64_t h_out() const {
    return (h_in + 2 * pad_h - dilation_h * (k_h - 1) - 1) / stride_h + 1;
  }
  std::int64_t w_out() const {
    return (w_in + 2 * pad_w - dilation_w * (k_w - 1) - 1) / stride_w + 1;
  }
  std::int64_t group_in() const { return c_in / groups; }
  std::int64_t group_out() const { return c_out / groups; }
  /// Multiply-adds of one pass, counted as direct convolution.
  std::int64_t macs() const { return n * h_out() * w_out() * c_out * group_in() * k_h * k_w; }
};

enum class Conv2dPass { forward, backward_input, backward_weight };

/// The pass as the enumerator spells it.
const char* name(Conv2dPass pass);

/// How an engine computes one pass of one convolution: cut into parts for the number of threads and
/// the instruction set that were set when it was planned. Results are the same bits for any number
/// of threads. May be run any number of times, from several threads.
template <class T>
class Conv2dPlan {
 public:
  virtual ~Conv2dPlan() = default;
  /// Bytes of 64-byte aligned scratch memory that run() needs.
  virtual std::size_t workspace_bytes() const = 0;
  /// forward: result = y, source = x, factor = w: y = conv(x, w).
  /// backward_input: result = dx, source = dy, factor = w: the transposed convolution of dy with w.
  /// backward_weight: result = dw, source = x as forward read it, factor = dy: their correlation.
  virtual void run(T* result, const Conv2dInput<T>& source, const T* factor,
                   std::byte* workspace) const = 0;
};

/// The forward pass for inference: weights are prepared once, for every batch size, and what
/// follows the convolution is done in its store. Otherwise as Conv2dPlan; the same bits as its
/// forward pass if the epilogue is empty.
class Conv2dInferencePlan {
 public:
  virtual ~Conv2dInferencePlan() = default;
  /// Bytes of 64-byte aligned memory for prepared weights.
  virtual std::size_t weight_bytes() const = 0;
  /// Weights as run() reads them. They serve all plans of the same engine, instruction set and
  /// weight shape.
  virtual void prepare(std::byte* weights, const float* w) const = 0;
  virtual std::size_t workspace_bytes() const = 0;
  virtual void run(float* y, const Conv2dInput<float>& x, const std::byte* weights,
                   const Conv2dEpilogue& epilogue, std::byte* workspace) const = 0;
};

/// One way to compute the three passes for element type T (float or double). Engines have no state
/// of their own and may be called from several threads.
template <class T>
class Conv2dEngine {
 public:
  virtual ~Conv2dEngine() = default;
  virtual std::string_view name() const = 0;
  virtual bool supports(const Conv2dDims& d, Conv2dPass pass) const = 0;
  /// For a pass that it supports.
  virtual std::unique_ptr<const Conv2dPlan<T>> plan(const Conv2dDims& d, Conv2dPass pass) const = 0;
  /// For a forward pass that it supports; null if the engine prepares no weights.
  virtual std::unique_ptr<const Conv2dInferencePlan> plan_inference(const Conv2dDims&) const {
    return nullptr;
  }
};

/// The engine for a pass: the one that was set, where it supports the pass, else the first of the
/// list that does. The last of the list, `reference`, supports everything.
template <class T>
const Conv2dEngine<T>& choose_conv2d(const Conv2dDims& d, Conv2dPass pass);

/// The engines for float, fastest first.
std::vector<std::string_view> conv2d_engine_names();

/// Prefers the engine of this name; "auto" is the first that supports a pass. Returns false,
/// changing nothing, for an unknown name. Must not be called while kernels run.
bool set_conv2d_engine(std::string_view name);

/// What was set last: "auto" at first.
std::string_view conv2d_engine_setting();

/// im2col + matrix product, for all shapes, float and double: the oracle of the others.
template <class T>
const Conv2dEngine<T>& reference_conv2d();

/// Winograd's minimal filtering, for 3x3 taps, dense or in groups whose channels fill whole
/// vectors: F(4x4, 3x3) with stride 1, a quarter of the multiplications; F(4x4, 2x2) on the phases
/// of x with stride 2, 9 of 16.
const Conv2dEngine<float>& winograd_conv2d();

/// 3x3 taps in groups of 2, 4, 8 or 16 channels, stride 1 or 2.
const Conv2dEngine<float>& grouped_conv2d();

/// Implicit matrix products, for convolutions of any size and stride without dilation, dense or in
/// groups whose channels fill whole vectors.
const Conv2dEngine<float>& direct_conv2d();

}  // namespace resgrad::kernels
