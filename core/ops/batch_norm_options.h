#pragma once

namespace resgrad {

struct BatchNormOptions {
  bool training = true;
  double momentum = 0.1;  ///< weight of the new batch in the running statistics, in [0, 1]
  double eps = 1e-5;      ///< added to the variance, in squared units of x
};

}  // namespace resgrad
