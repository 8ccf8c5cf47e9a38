// Autograd on a toy function: the minimum of Rosenbrock's valley by gradient descent,
//   f(x, y) = (1 - x)^2 + 100 (y - x^2)^2, which is 0 at (1, 1).
//
// Shows  leaves that collect gradients, operators that record themselves, backward(), and updates
//        that are not recorded.
#include <cmath>
#include <cstdio>

#include <resgrad/core/autograd/grad_mode.h>
#include <resgrad/core/ops/arithmetic.h>
#include <resgrad/core/tensor.h>

using namespace resgrad;

Tensor rosenbrock(const Tensor& x, const Tensor& y) {
  return pow(1.0 - x, 2) + 100.0 * pow(y - x * x, 2);
}

int main() {
  Tensor x = Tensor::scalar(-1.5, DType::float64).set_requires_grad();
  Tensor y = Tensor::scalar(2.0, DType::float64).set_requires_grad();

  rosenbrock(x, y).backward();
  const double dx = -2 * (1 - x.item()) - 400 * x.item() * (y.item() - x.item() * x.item());
  std::printf("at (-1.5, 2): df/dx = %.3f by backward, %.3f by hand\n", x.grad().item(), dx);
  const bool equal = std::abs(x.grad().item() - dx) < 1e-9;

  const double lr = 1e-3;
  for (int step = 0; step <= 20000; ++step) {
    x.zero_grad();
    y.zero_grad();
    const Tensor f = rosenbrock(x, y);
    f.backward();  // adds df/dx to x.grad() and df/dy to y.grad()
    if (step % 4000 == 0) {
      std::printf("step %5d: f(%.4f, %.4f) = %.2e\n", step, x.item(), y.item(), f.item());
    }
    const NoGradGuard no_grad;  // an update is no part of the function
    x.copy_(x - lr * x.grad());
    y.copy_(y - lr * y.grad());
  }
  return equal && rosenbrock(x, y).item() < 1e-6 ? 0 : 1;
}
