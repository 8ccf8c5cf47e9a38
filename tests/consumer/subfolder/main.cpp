#include <resgrad/core/tensor.h>

int main(int argc, char**) {
  // A conversion that -Wconversion, which is for resgrad's own sources, would not let pass.
  const short side = argc + 1;
  return resgrad::Tensor::zeros({side, 3}).numel() == 6 ? 0 : 1;
}
