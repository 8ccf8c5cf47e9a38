#include "core/autograd/observer.h"

#include <doctest/doctest.h>

#include <vector>

#include "core/autograd/grad_mode.h"
#include "core/kernels/conv2d.h"
#include "core/ops/arithmetic.h"
#include "core/ops/conv2d.h"
#include "core/ops/matmul.h"
#include "core/ops/pool.h"

using namespace resgrad;

namespace {

// A copy of what was seen: the views of Work need not outlive done().
struct Seen {
  std::string name, phase;
  double flops, bytes;
  std::string engine, shape;
};

struct Recorder final : WorkObserver {
  void done(const Work& w) override {
    all.push_back({std::string(w.name), std::string(w.phase), w.flops, w.bytes,
                   std::string(w.engine), w.shape});
  }
  std::vector<std::string> calls() const {
    std::vector<std::string> text;
    for (const Seen& s : all) text.push_back(s.name + " " + s.phase);
    return text;
  }
  std::vector<Seen> all;
};

Tensor parameter(const Shape& shape) {
  return Tensor::ones(shape).set_requires_grad();
}

}  // namespace

TEST_CASE("observers see the work of forward and backward in its order") {
  const Tensor x = Tensor::full({1}, 2, DType::float64).set_requires_grad();
  CHECK_FALSE(WorkObserver::active());
  Recorder outer;
  {
    Recorder inner;
    CHECK(WorkObserver::active());
    exp(mul(x, x)).backward();
    // the two gradients of x are added
    CHECK(inner.calls() == std::vector<std::string>{"mul forward", "exp forward", "exp backward",
                                                    "mul backward", "add_gradients backward",
                                                    "leaf backward"});
  }
  CHECK(outer.all.size() == 6);
  neg(x).backward();
  CHECK(outer.all.size() == 9);
}

TEST_CASE("nobody is told when nobody observes, or nothing is recorded") {
  const Tensor x = parameter({4});
  report({.name = "nobody", .phase = "forward"});
  Recorder recorder;
  const NoGradGuard no_grad;
  mul(x, x);
  CHECK(recorder.all.empty());
}

TEST_CASE("bytes are those of the tensors that are read and written") {
  const Tensor a = parameter({2, 8}), b = parameter({2, 8});
  Recorder recorder;
  mul(a, b).backward(Tensor::ones({2, 8}));
  CHECK(recorder.all[0].bytes == 3 * 16 * 4);  // a, b, y
  CHECK(recorder.all[1].bytes == 5 * 16 * 4);  // dy, the saved a and b, da, db
  CHECK(recorder.all[0].flops == 0);
}

TEST_CASE("the positions that a maximum keeps count too") {
  const Tensor x = parameter({1, 2, 4, 4});
  Recorder recorder;
  max_pool2d(x, {.kernel = 2, .stride = 2}).sum().backward();
  CHECK(recorder.all[0].bytes == (32 + 8) * 4);
  CHECK(recorder.all[3].name == "max_pool2d");
  CHECK(recorder.all[3].bytes == (8 + 8 + 32) * 4);  // dy, positions, dx
}

TEST_CASE("matrix products count two operations per multiply-add and gradient") {
  const Tensor x = Tensor::ones({5, 3}), weight = parameter({7, 3}), bias = parameter({7});
  Recorder recorder;
  linear(x, weight, bias).backward(Tensor::ones({5, 7}));
  CHECK(recorder.all[0].name == "linear");
  CHECK(recorder.all[0].flops == 2 * 5 * 3 * 7);
  CHECK(recorder.all[1].flops == 2 * 5 * 3 * 7);  // of the weight alone
  recorder.all.clear();
  matmul(parameter({5, 3}), parameter({3, 7})).backward(Tensor::ones({5, 7}));
  CHECK(recorder.all[0].flops == 2 * 5 * 3 * 7);
  CHECK(recorder.all[1].flops == 2 * 2 * 5 * 3 * 7);
}

TEST_CASE("a convolution reports each pass with its engine and sizes") {
  const Tensor x = parameter({2, 3, 8, 8}), weight = parameter({4, 3, 3, 3}), bias = parameter({4});
  Recorder recorder;
  conv2d(x, weight, bias, {.stride = 2, .padding = 1}).backward(Tensor::ones({2, 4, 4, 4}));
  REQUIRE(recorder.all.size() >= 5);
  CHECK(recorder.calls()[0] == "conv2d forward");
  CHECK(recorder.calls()[1] == "conv2d bias forward");
  CHECK(recorder.calls()[2] == "conv2d backward_input");
  CHECK(recorder.calls()[3] == "conv2d backward_weight");
  CHECK(recorder.calls()[4] == "conv2d bias backward");
  for (const std::size_t pass : {0U, 2U, 3U}) {
    const Seen& seen = recorder.all[pass];
    CHECK(seen.flops == 2. * 2 * 4 * 4 * 4 * 3 * 9);
    CHECK(seen.bytes == 4. * (2 * 3 * 64 + 4 * 3 * 9 + 2 * 4 * 16));
    CHECK(seen.engine == kernels::choose_conv2d<float>({2, 3, 8, 8, 4, 3, 3, 2, 2, 1, 1, 1, 1, 1},
                                                       kernels::Conv2dPass::forward)
                             .name());
    CHECK(seen.shape == "3x3 3->4 /2 @8x8");
  }
}
