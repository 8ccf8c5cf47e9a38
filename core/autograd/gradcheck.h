// Numeric against analytic gradients.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace resgrad {

struct GradcheckOptions {
  double h = 1e-6;         ///< step of the central difference
  double rtol = 1e-6;      ///< largest accepted relative error
  std::uint64_t seed = 0;  ///< of the random weights r of the loss
  /// Precision of the analytic gradient; unset: that of the result of f. The numeric gradient is
  /// always computed in the inputs' own, so that float64 inputs can judge a kernel that exists in
  /// float32.
  std::optional<DType> analytic_dtype = {};
};

/// The worst element of a gradient check. Indices count in memory order.
struct GradcheckResult {
  bool ok = true;
  double max_rel_error = 0;
  std::size_t input = 0;
  std::int64_t index = 0;
  double analytic = 0, numeric = 0;
  std::int64_t checked = 0;  ///< elements compared

  /// One sentence that says what was compared and how far it is off.
  std::string explain() const;
};

/// Checks the gradients of `f` at `inputs` (floating, requires_grad is set here) through the scalar
/// loss L = sum(f(inputs) * r) with fixed random r:
///   numeric = sum((f(x + h e) - f(x - h e)) * r) / 2h for every element e of every input,
///   relative error = |analytic - numeric| / max(|analytic|, |numeric|, floor),
/// where floor is the larger of 1 % of the largest gradient of that input and 1e-3: below it,
/// rounding is all there is. So gradients that are all much smaller than 1e-3 are hardly checked.
/// `f` must be deterministic and must not have kinks within h of the inputs.
/// Inputs in float64 allow the default h and rtol.
GradcheckResult gradcheck(const std::function<Tensor(const std::vector<Tensor>&)>& f,
                          const std::vector<Tensor>& inputs, const GradcheckOptions& options = {});

}  // namespace resgrad
