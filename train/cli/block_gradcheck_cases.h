// The residual blocks' share of the catalogue of gradient checks. Built on models.
#pragma once

#include "core/catalogue/gradcheck_cases.h"

namespace resgrad {

/// Both residual blocks with respect to their input and every parameter: both orders, basic and
/// bottleneck forms, strides 1 to 3, groups, odd sizes, batch 1, own shortcuts, training and
/// evaluation, both memory formats. Weights and inputs are such that no ReLU is near its kink.
std::vector<GradcheckCase> block_gradcheck_cases();

}  // namespace resgrad
