// The catalogue of gradient checks: which functions are checked on which inputs. Built on core.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/autograd/gradcheck.h"

namespace resgrad {

/// One gradient check in float64. The default options suit all cases.
struct GradcheckCase {
  std::string name;  ///< such as "conv2d stride 2 groups 2 channels_last"
  std::string op;    ///< the operation or block that it covers, such as "conv2d"
  std::function<GradcheckResult(const GradcheckOptions&)> run;
};

/// All operations of core/ops: odd sizes, batch 1, strides, groups, dilation, padding per axis,
/// both memory formats, broadcasting, training and evaluation. Inputs keep off kinks.
std::vector<GradcheckCase> op_gradcheck_cases();

/// Convolutions that the engine set by kernels::set_conv2d_engine() takes in at least one pass: its
/// analytic gradients in float32 against numeric ones in float64, to a tolerance of 1e-3. The names
/// list the passes that it takes. None when "auto" is set.
std::vector<GradcheckCase> conv2d_engine_gradcheck_cases();

}  // namespace resgrad
