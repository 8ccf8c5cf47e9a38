// A plan of one of the engines whose kernels are compiled once per instruction set.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/kernels/assert.h"
#include "core/kernels/conv2d.h"

namespace resgrad::kernels {

/// Runs the kernel of the instruction set that was active when it was planned, once for each of
/// some steps, which share the workspace. A Step says how the work is cut, and the size of its
/// workspace as `floats`.
template <class Step>
class KernelPlan final : public Conv2dPlan<float> {
 public:
  using Kernel = void (*)(float* result, const Conv2dInput<float>& source, const float* factor,
                          const Step& step, float* workspace);

  KernelPlan(Kernel kernel, std::vector<Step> steps) : kernel_(kernel), steps_(std::move(steps)) {}

  std::size_t workspace_bytes() const override {
    std::int64_t floats = 0;
    for (const Step& step : steps_) floats = std::max<std::int64_t>(floats, step.floats);
    return static_cast<std::size_t>(floats) * sizeof(float);
  }

  void run(float* result, const Conv2dInput<float>& source, const float* factor,
           std::byte* workspace) const override {
    RESGRAD_ASSERT(reinterpret_cast<std::uintptr_t>(workspace) % 64 == 0);
    for (const Step& step : steps_) {
      kernel_(result, source, factor, step, reinterpret_cast<float*>(workspace));
    }
  }

 private:
  Kernel kernel_;
  std::vector<Step> steps_;
};

/// The same for inference, with `weight_floats` of prepared weights.
template <class Step>
class KernelInferencePlan final : public Conv2dInferencePlan {
 public:
  using Prepare = void (*)(float* weights, const float* w, const Step& step);
  using Kernel = void (*)(float* y, const Conv2dInput<float>& x, const float* weights,
                          const Conv2dEpilogue& epilogue, const Step& step, float* workspace);

  KernelInferencePlan(Prepare prepare, Kernel kernel, const Step& step, std::int64_t weight_floats)
      : prepare_(prepare), kernel_(kernel), step_(step), weight_floats_(weight_floats) {}

  std::size_t weight_bytes() const override {
    return static_cast<std::size_t>(weight_floats_) * sizeof(float);
  }
  std::size_t workspace_bytes() const override {
    return static_cast<std::size_t>(step_.floats) * sizeof(float);
  }
  void prepare(std::byte* weights, const float* w) const override {
    prepare_(reinterpret_cast<float*>(weights), w, step_);
  }
  void run(float* y, const Conv2dInput<float>& x, const std::byte* weights,
           const Conv2dEpilogue& epilogue, std::byte* workspace) const override {
    kernel_(y, x, reinterpret_cast<const float*>(weights), epilogue, step_,
            reinterpret_cast<float*>(workspace));
  }

 private:
  Prepare prepare_;
  Kernel kernel_;
  Step step_;
  std::int64_t weight_floats_;
};

}  // namespace resgrad::kernels
