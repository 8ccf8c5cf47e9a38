#include "nn/sequential.h"

#include "nn/fused.h"

namespace resgrad {

Tensor Sequential::forward(const Tensor& x) {
  return apply_in_turn(children(), x);
}

}  // namespace resgrad
