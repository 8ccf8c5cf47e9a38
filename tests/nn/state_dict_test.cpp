// Module::state_dict and load_state_dict.
#include <doctest/doctest.h>

#include <algorithm>

#include "nn/nn.h"
#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

std::shared_ptr<Sequential> make_net() {
  return std::make_shared<Sequential>(std::initializer_list<ModulePtr>{
      std::make_shared<Conv2d>(3, 2, 3, Conv2dLayerOptions{.bias = false}),
      std::make_shared<BatchNorm2d>(2), std::make_shared<ReLU>(),
      std::make_shared<Sequential>(std::initializer_list<ModulePtr>{
          std::make_shared<Flatten>(), std::make_shared<Linear>(8, 5)})});
}

std::vector<NamedTensor> copies(const std::vector<NamedTensor>& state) {
  std::vector<NamedTensor> all;
  for (const NamedTensor& t : state) all.push_back({t.name, t.tensor.detach().clone()});
  return all;
}

void check_equal(const std::vector<NamedTensor>& got, const std::vector<NamedTensor>& want) {
  REQUIRE(got.size() == want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    CAPTURE(want[i].name);
    CHECK(got[i].name == want[i].name);
    CHECK(bit_equal(got[i].tensor, want[i].tensor));
  }
}

/// A state whose every element is 7.
std::vector<NamedTensor> sevens(const Module& net) {
  std::vector<NamedTensor> state = copies(net.state_dict());
  for (NamedTensor& t : state) t.tensor.fill_(7);
  return state;
}

std::string error_of_loading(Module& net, const std::vector<NamedTensor>& state) {
  try {
    net.load_state_dict(state);
  } catch (const ValueError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("the keys, their order, shapes and dtypes are PyTorch's") {
  const std::vector<NamedTensor> state = make_net()->state_dict();
  const std::vector<std::pair<std::string, Shape>> want = {
      {"0.weight", {2, 3, 3, 3}}, {"1.weight", {2}},      {"1.bias", {2}},
      {"1.running_mean", {2}},    {"1.running_var", {2}}, {"1.num_batches_tracked", {}},
      {"3.1.weight", {5, 8}},     {"3.1.bias", {5}}};
  REQUIRE(state.size() == want.size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    CHECK(state[i].name == want[i].first);
    CHECK(state[i].tensor.shape() == want[i].second);
    CHECK(state[i].tensor.dtype() ==
          (state[i].name == "1.num_batches_tracked" ? DType::int64 : DType::float32));
  }
}

TEST_CASE("the state dict holds the module's own tensors") {
  const auto net = make_net();
  CHECK(net->state_dict()[0].tensor.is_same(net->named_parameters()[0].tensor));
}

TEST_CASE("loading copies every value, whatever the order and memory format") {
  const auto net = make_net();
  std::vector<NamedTensor> state = sevens(*net);
  state[0].tensor = random_tensor({2, 3, 3, 3}, 1, DType::float32);
  const std::vector<NamedTensor> want = copies(state);
  state[0].tensor = state[0].tensor.detach(MemoryFormat::channels_last);
  std::reverse(state.begin(), state.end());
  const Tensor handle = net->named_parameters()[0].tensor;
  net->load_state_dict(state);
  check_equal(net->state_dict(), want);
  CHECK(net->named_parameters()[0].tensor.is_same(handle));
  CHECK(handle.requires_grad());
  state.back().tensor.fill_(8);  // a copy, not the same data
  check_equal(net->state_dict(), want);
}

TEST_CASE("a network loads its own state") {
  const auto net = make_net();
  const std::vector<NamedTensor> before = copies(net->state_dict());
  net->load_state_dict(net->state_dict());
  check_equal(net->state_dict(), before);
}

TEST_CASE("the state of another network is named by five tensors and the number of the others") {
  const auto net = make_net();
  std::vector<NamedTensor> state = sevens(*net);
  const std::size_t tensors = state.size();
  for (NamedTensor& t : state) t.name = "other." + t.name;
  const std::string error = error_of_loading(*net, state);
  CHECK(std::ranges::count(error, '\n') == 6);
  CHECK(error.ends_with(fmt::format("\n  and {} more", 2 * tensors - 5)));
}

TEST_CASE("one error lists all missing, unexpected and misshapen tensors; nothing is changed") {
  const auto net = make_net();
  std::vector<NamedTensor> state = sevens(*net);
  state[0].tensor = Tensor::zeros({2, 3, 1, 1});
  state[3].name = "1.mean";
  state[5].tensor = Tensor::zeros({});
  state.pop_back();
  const std::vector<NamedTensor> before = copies(net->state_dict());
  CHECK(error_of_loading(*net, state) ==
        "load_state_dict: Sequential: expected the tensors of the network, got a state that "
        "differs in:\n"
        "  different: 0.weight: expected float32 [2, 3, 3, 3], got float32 [2, 3, 1, 1]\n"
        "  missing: 1.running_mean\n"
        "  different: 1.num_batches_tracked: expected int64 [], got float32 []\n"
        "  missing: 3.1.bias\n"
        "  unexpected: 1.mean");
  check_equal(net->state_dict(), before);
}

TEST_CASE("loading marks the weights as changed, so that an old graph is not used silently") {
  const auto net = make_net();
  const Tensor y = (*net)(random_tensor({2, 3, 4, 4}, 1, DType::float32).set_requires_grad()).sum();
  net->load_state_dict(sevens(*net));
  CHECK_THROWS_AS(y.backward(), StateError);
}
