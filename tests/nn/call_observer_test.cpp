// CallObserver: who sees which call of a module.
#include <doctest/doctest.h>

#include "nn/nn.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

class Log final : public CallObserver {
 public:
  void enter(const Module& module, const Tensor& x) override {
    text += fmt::format("({}{} ", module.class_name(), x.shape());
  }
  void leave(const Module&, const Tensor& y) override { text += fmt::format("{})", y.shape()); }

  std::string text;
};

ModulePtr make_net() {
  return std::make_shared<Sequential>(std::initializer_list<ModulePtr>{
      std::make_shared<Conv2d>(1, 2, 3),
      std::make_shared<Sequential>(std::initializer_list<ModulePtr>{std::make_shared<ReLU>()}),
      std::make_shared<Flatten>()});
}

const Tensor kImage = Tensor::ones({1, 1, 4, 4});

}  // namespace

TEST_CASE("an observer sees calls in order of execution, nested as the modules are") {
  const ModulePtr net = make_net();
  const Log log;
  (*net)(kImage);
  CHECK(log.text ==
        "(Sequential[1, 1, 4, 4] (Conv2d[1, 1, 4, 4] [1, 2, 2, 2])"
        "(Sequential[1, 2, 2, 2] (ReLU[1, 2, 2, 2] [1, 2, 2, 2])[1, 2, 2, 2])"
        "(Flatten[1, 2, 2, 2] [1, 8])[1, 8])");
}

TEST_CASE("the innermost observer sees a call, the outer one those after it") {
  ReLU relu;
  const Log outer;
  {
    const Log inner;
    relu(Tensor::ones({2}));
    CHECK(inner.text == "(ReLU[2] [2])");
    CHECK(outer.text == "");
  }
  relu(Tensor::ones({3}));
  CHECK(outer.text == "(ReLU[3] [3])");
}

TEST_CASE("an observer changes no result, and none is called after its end") {
  const ModulePtr net = make_net();
  const std::vector<double> plain = (*net)(kImage).to_vector<double>();
  auto log = std::make_unique<Log>();
  CHECK((*net)(kImage).to_vector<double>() == plain);
  log.reset();
  CHECK((*net)(kImage).to_vector<double>() == plain);
}
