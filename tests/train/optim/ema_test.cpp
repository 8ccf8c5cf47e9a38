#include "train/optim/ema.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "core/allocator.h"
#include "core/autograd/grad_mode.h"
#include "core/check.h"
#include "nn/nn.h"
#include "tests/train/tiny_run.h"

using namespace resgrad;

namespace {

void fill(Module& net, double value) {
  const NoGradGuard no_grad;
  for (NamedTensor& t : net.state_dict()) t.tensor.fill_(value);
}

Tensor named(const std::vector<NamedTensor>& tensors, const std::string& name) {
  const auto found = std::ranges::find(tensors, name, &NamedTensor::name);
  REQUIRE(found != tensors.end());
  return found->tensor;
}

}  // namespace

TEST_CASE("weights and running statistics are averaged, counters are copied") {
  BatchNorm2d norm(3);
  fill(norm, 1);
  Ema ema(norm, 0.75);
  fill(norm, 5);
  ema.update(1000);
  CHECK(named(ema.state(), "weight").to_vector<double>() ==
        std::vector<double>(3, 2));  // 3/4 + 5/4
  CHECK(named(ema.state(), "running_var").to_vector<double>() == std::vector<double>(3, 2));
  CHECK(named(ema.state(), "num_batches_tracked").item() == 5);
  ema.update(1000);
  CHECK(named(ema.state(), "bias").to_vector<double>() == std::vector<double>(3, 2.75));
  CHECK(norm.state_dict()[0].tensor.to_vector<double>() == std::vector<double>(3, 5));
}

TEST_CASE("the first updates forget the start sooner") {
  BatchNorm2d norm(1);
  fill(norm, 0);
  Ema ema(norm, 0.999);
  fill(norm, 1);
  double expected = 0;
  for (std::int64_t t = 0; t < 20; ++t) {
    const double d = std::min(0.999, (1 + static_cast<double>(t)) / (10 + static_cast<double>(t)));
    expected = d * expected + (1 - d);
    ema.update(t);
    CHECK(named(ema.state(), "weight").to_vector<double>()[0] == doctest::Approx(expected));
  }
  CHECK(expected > 0.99);
}

TEST_CASE("an average of equal values stays near them over many updates") {
  BatchNorm2d norm(1);
  fill(norm, 0.3);
  Ema ema(norm, 0.9999);
  for (std::int64_t t = 0; t < 100'000; ++t) ema.update(t);
  CHECK(named(ema.state(), "weight").to_vector<double>()[0] ==
        doctest::Approx(0.3).epsilon(2e-5));  // shares that do not add up to 1 give 1.7e-4
}

TEST_CASE("a network holds the averages for a while, and then its own values, bit for bit") {
  const auto net = tiny_net();
  Ema ema(*net, 0.9);
  fill(*net, 0.125);
  ema.update(0);
  const auto values = [](const std::vector<NamedTensor>& tensors) {
    std::vector<std::vector<double>> all;
    for (const NamedTensor& t : tensors) all.push_back(t.tensor.to_vector<double>());
    return all;
  };
  const auto own = values(net->state_dict()), average = values(ema.state());
  const std::uint64_t version = net->named_parameters()[0].tensor.version();
  CHECK(own != average);
  reset_peak_memory();
  const std::size_t bytes = allocator_stats().bytes_in_use;
  {
    const Ema::Applied applied(ema);
    CHECK(values(net->state_dict()) == average);
    // what is cached of the weights must be known to be out of date
    CHECK(net->named_parameters()[0].tensor.version() > version);
  }
  CHECK(allocator_stats().peak_bytes_in_use == bytes);
  CHECK(values(net->state_dict()) == own);
  CHECK(values(ema.state()) == average);
}

TEST_CASE("the state of an average goes into another") {
  const auto net = tiny_net();
  Ema first(*net, 0.9);
  fill(*net, 2);
  first.update(5);
  Ema second(*net, 0.9);
  second.load_state(first.state());
  first.update(6);
  second.update(6);
  for (std::size_t i = 0; i < first.state().size(); ++i) {
    CHECK(first.state()[i].tensor.to_vector<double>() ==
          second.state()[i].tensor.to_vector<double>());
  }
  CHECK_THROWS_AS(second.load_state({}), ValueError);
}

TEST_CASE("a decay outside 0 to 1, and a network that changed its dtype, are errors") {
  BatchNorm2d norm(1);
  for (const double decay : {-0.1, 1.0, 2.0, std::nan("")}) {
    CHECK_THROWS_AS(Ema(norm, decay), ValueError);
  }
  Ema ema(norm, 0);
  norm.to(DType::float64);
  CHECK_THROWS_AS(Ema::Applied{ema}, StateError);
}
