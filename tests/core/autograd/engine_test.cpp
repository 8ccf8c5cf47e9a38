#include "core/autograd/engine.h"

#include <doctest/doctest.h>
#include <pthread.h>

#include <exception>
#include <functional>
#include <stdexcept>
#include <string>

#include "core/autograd/grad_mode.h"
#include "core/autograd/node.h"
#include "core/ops/arithmetic.h"
#include "core/ops/shaping.h"
#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

Tensor leaf(double value) {
  return Tensor::full({1}, value, DType::float64).set_requires_grad();
}

// y = x with a gradient that is made to measure.
struct FakeNode final : Node {
  explicit FakeNode(std::vector<Tensor> grads) : grads_(std::move(grads)) {}
  const char* name() const override { return "fake"; }
  std::vector<Tensor> backward(const Tensor&) override { return grads_; }
  std::vector<Tensor> grads_;
};

Tensor fake(const Tensor& x, std::vector<Tensor> grads) {
  return record<FakeNode>(Tensor::ones({}, x.dtype()), {{"x", x}}, std::move(grads));
}

// Runs f on a thread with a stack of `bytes`; passes on what it throws.
void run_with_stack(std::size_t bytes, const std::function<void()>& f) {
  struct Job {
    const std::function<void()>& f;
    std::exception_ptr error;
  } job{f, nullptr};
  pthread_attr_t attributes;
  REQUIRE(pthread_attr_init(&attributes) == 0);
  REQUIRE(pthread_attr_setstacksize(&attributes, bytes) == 0);
  pthread_t thread{};
  const auto start = [](void* argument) -> void* {
    auto* job = static_cast<Job*>(argument);
    try {
      job->f();
    } catch (...) {
      job->error = std::current_exception();
    }
    return nullptr;
  };
  REQUIRE(pthread_create(&thread, &attributes, start, &job) == 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
  if (job.error) std::rethrow_exception(job.error);
}

}  // namespace

TEST_CASE("the chain rule holds along a path") {
  const Tensor x = leaf(2);
  mul(exp(mul(x, 3)), x).backward();  // x e^(3x): (1 + 3x) e^(3x)
  CHECK(x.grad().item() == doctest::Approx(7 * std::exp(6.0)));
}

TEST_CASE("a tensor that is used twice gets the sum of its gradients") {
  const Tensor x = leaf(3);
  add(mul(x, x), x).backward();  // x^2 + x
  CHECK(x.grad().item() == 7);
}

TEST_CASE("add of a tensor to itself counts it twice") {
  const Tensor x = Tensor::ones({3}, DType::float64).set_requires_grad();
  const Tensor dy = Tensor::from({1.0, 2.0, 3.0}, {3});
  add(x, x).backward(dy);
  CHECK(all_close(x.grad(), {2, 4, 6}));
  CHECK(all_close(dy, {1, 2, 3}));  // the caller's gradient is left alone
}

TEST_CASE("a diamond waits for both branches, in any order of branches") {
  const Tensor x = leaf(2);
  const Tensor h = mul(x, x);                     // 4
  const Tensor slow = mul(mul(mul(h, 2), 2), 2);  // 8 h
  CHECK(std::string_view(h.grad_fn()->name()) == "mul");
  int calls = 0;
  h.register_hook([&](const Tensor& dh) {
    ++calls;
    CHECK(dh.item() == 8 + 1);
    return Tensor();
  });
  add(h, slow).backward();
  CHECK(calls == 1);
  CHECK(x.grad().item() == 9 * 4);
  const Tensor z = leaf(2), g = mul(z, z);
  add(mul(mul(mul(g, 2), 2), 2), g).backward();
  CHECK(z.grad().item() == 9 * 4);
}

TEST_CASE("a residual chain multiplies by two per block") {
  const Tensor x = leaf(1);
  Tensor y = x;
  for (int i = 0; i < 20; ++i) y = add(y, y);
  y.backward();
  CHECK(x.grad().item() == 1 << 20);
}

TEST_CASE("gradients accumulate over calls until they are dropped") {
  Tensor x = leaf(3);
  mul(x, x).backward();
  mul(x, x).backward();
  CHECK(x.grad().item() == 12);
  x.zero_grad();
  mul(x, x).backward();
  CHECK(x.grad().item() == 6);
}

TEST_CASE("accumulation accepts a gradient that was set in another memory format") {
  const Shape shape{1, 2, 1, 3};
  Tensor x = Tensor::ones(shape, DType::float64, MemoryFormat::channels_last).set_requires_grad();
  const Tensor set = random_tensor(shape, 1), dy = random_tensor(shape, 2);
  x.set_grad(set.clone());
  mul(x, 1).backward(dy);
  CHECK(all_close(x.grad(), add(set, dy), 1e-15));
}

TEST_CASE("the gradients of two leaves never share memory") {
  const Tensor a = leaf(1), b = leaf(1);
  const Tensor dy = Tensor::ones({1}, DType::float64);
  add(a, b).backward(dy);
  CHECK(a.grad().bytes() != b.grad().bytes());
  CHECK(a.grad().bytes() != dy.bytes());
  CHECK(b.grad().bytes() != dy.bytes());
  a.grad().fill_(7);
  CHECK(b.grad().item() == 1);
  const Tensor c = leaf(1);
  reshape(c, {1, 1}).backward(dy.view({1, 1}));
  CHECK(c.grad().bytes() != dy.bytes());
}

TEST_CASE("the gradient has the memory format of the leaf") {
  const Tensor x = random_tensor({2, 3, 2, 2}, 1, DType::float64, MemoryFormat::channels_last)
                       .set_requires_grad();
  const Tensor dy = random_tensor({2, 3, 2, 2}, 2);
  mul(x, 1).backward(dy);
  CHECK(x.grad().memory_format() == MemoryFormat::channels_last);
  CHECK(all_close(x.grad(), dy));
}

TEST_CASE("inputs that require no gradient get none") {
  const Tensor a = leaf(2), b = Tensor::full({1}, 5, DType::float64);
  mul(a, b).backward();
  CHECK(a.grad().item() == 5);
  CHECK_FALSE(b.grad().defined());
}

TEST_CASE("a leaf is its own root") {
  const Tensor x = leaf(4);
  x.backward();
  x.backward();
  CHECK(x.grad().item() == 2);
}

TEST_CASE("hooks see the complete gradient and may replace it") {
  const Tensor x = leaf(3);
  const Tensor y = mul(x, 2);
  std::vector<double> seen;
  y.register_hook([&](const Tensor& dy) {
    seen.push_back(dy.item());
    return mul(dy, 10);
  });
  y.register_hook([&](const Tensor& dy) {
    seen.push_back(dy.item());
    return Tensor();
  });
  x.register_hook([&](const Tensor& dx) {
    seen.push_back(dx.item());
    return Tensor::full({1}, -1, DType::float64);
  });
  add(y, y).backward();
  CHECK(seen == std::vector<double>{2, 20, 40});
  CHECK(x.grad().item() == -1);
}

TEST_CASE("a gradient kept by a hook is not changed by later accumulation") {
  const Tensor x = leaf(3);
  Tensor kept;
  x.register_hook([&](const Tensor& dx) {
    if (!kept.defined()) kept = dx;
    return Tensor();
  });
  mul(x, 2).backward();
  mul(x, 2).backward();
  CHECK(kept.item() == 2);
  CHECK(x.grad().item() == 4);
}

TEST_CASE("a hook's replacement must have the shape and dtype") {
  const Tensor x = leaf(3);
  const Tensor y = mul(x, 2);
  y.register_hook([](const Tensor&) { return Tensor::zeros({2}, DType::float64); });
  CHECK_THROWS_WITH_AS(
      y.backward(),
      "backward of a hook: input 0 (mul) has shape [1] but its gradient has shape [2]", ShapeError);
}

TEST_CASE("a hook needs a tensor that requires a gradient") {
  CHECK_THROWS_WITH_AS(Tensor::ones({1}).register_hook([](const Tensor& g) { return g; }),
                       "register_hook: expected a tensor that requires a gradient", StateError);
}

TEST_CASE("a second backward on the same graph is an error that names the remedy") {
  const Tensor x = leaf(3);
  const Tensor y = mul(x, x);
  y.backward();
  CHECK_THROWS_WITH_AS(y.backward(),
                       "backward of mul: its saved tensors were freed by an earlier backward(); "
                       "pass {.retain_graph = true} there to call it twice",
                       StateError);
  CHECK(x.grad().item() == 6);
}

TEST_CASE("two losses on a shared part need retain_graph") {
  const Tensor x = leaf(3);
  const Tensor shared = mul(x, x);
  const Tensor a = mul(shared, 2), b = mul(shared, 5);
  a.backward();
  CHECK_THROWS_AS(b.backward(), StateError);
}

TEST_CASE("retain_graph allows a second backward with the same result") {
  const Tensor x = leaf(3);
  const Tensor y = mul(mul(x, x), x);
  y.backward({.retain_graph = true});
  CHECK(x.grad().item() == 27);
  y.backward({.retain_graph = true});
  CHECK(x.grad().item() == 54);
  y.backward();
  CHECK(x.grad().item() == 81);
  CHECK_THROWS_AS(y.backward(), StateError);
}

TEST_CASE("backward without a gradient needs one element") {
  const Tensor x = Tensor::ones({2, 3}).set_requires_grad();
  CHECK_THROWS_WITH_AS(
      mul(x, 2).backward(),
      "backward: tensor: expected one element (or a gradient dy), got shape [2, 3]", ShapeError);
}

TEST_CASE("backward of a tensor without a graph is an error") {
  const char* message =
      "backward: expected a tensor that requires a gradient, got one without a "
      "graph (no input required a gradient, or NoGradGuard was alive)";
  CHECK_THROWS_WITH_AS(Tensor::ones({1}).backward(), message, StateError);
  const Tensor x = leaf(1);
  const NoGradGuard no_grad;
  CHECK_THROWS_WITH_AS(mul(x, 2).backward(), message, StateError);
}

TEST_CASE("the given gradient is checked against the root") {
  const Tensor x = Tensor::ones({2}).set_requires_grad();
  const Tensor y = mul(x, 2);
  CHECK_THROWS_WITH_AS(
      y.backward(Tensor::ones({3})),
      "backward of the root: input 0 (dy) has shape [2] but its gradient has shape [3]",
      ShapeError);
  CHECK_THROWS_WITH_AS(
      y.backward(Tensor::ones({2}, DType::float64)),
      "backward of the root: input 0 (dy) has dtype float32 but its gradient has dtype float64",
      ValueError);
  CHECK_THROWS_WITH_AS(y.backward(Tensor()),
                       "backward: dy: expected a gradient, got an undefined tensor", ValueError);
}

TEST_CASE("an operation that returns a wrong gradient is named") {
  const Tensor x = Tensor::ones({2, 3}).set_requires_grad();
  CHECK_THROWS_WITH_AS(
      fake(x, {Tensor::ones({3, 2})}).backward(),
      "backward of fake: input 0 (x) has shape [2, 3] but its gradient has shape [3, 2]",
      ShapeError);
  CHECK_THROWS_WITH_AS(
      fake(x, {Tensor::ones({2, 3}, DType::float64)}).backward(),
      "backward of fake: input 0 (x) has dtype float32 but its gradient has dtype float64",
      ValueError);
  CHECK_THROWS_WITH_AS(fake(x, {Tensor(), Tensor()}).backward(),
                       "backward of fake: expected 1 gradients, got 2", StateError);
}

TEST_CASE("an undefined gradient counts as zero and does not block other paths") {
  const Tensor x = leaf(2);
  const Tensor h = mul(x, x);
  const Tensor dead = fake(h, {Tensor()});
  add(h, dead).backward(Tensor::ones({1}, DType::float64));
  CHECK(x.grad().item() == 4);
  const Tensor z = leaf(2);
  fake(mul(z, z), {Tensor()}).backward();
  CHECK_FALSE(z.grad().defined());
}

TEST_CASE("nothing is recorded during backward") {
  const Tensor x = leaf(2);
  mul(x, x).backward();
  CHECK_FALSE(x.grad().requires_grad());
  CHECK(grad_enabled());
}

TEST_CASE("a chain of 100,000 operations runs backward and dies on a stack of 256 KiB") {
  run_with_stack(256 * 1024, [] {
    const Tensor x = leaf(1);
    {
      Tensor y = x;
      for (int i = 0; i < 100000; ++i) y = add(y, x);
      y.backward();
    }
    CHECK(x.grad().item() == 100001);
    Tensor unused = x;  // destroyed without backward
    for (int i = 0; i < 100000; ++i) unused = mul(unused, x);
  });
}

TEST_CASE("saved tensors are freed while backward goes") {
  constexpr std::int64_t kFloats = 1 << 16;
  constexpr std::size_t kBytes = kFloats * sizeof(float);
  constexpr std::size_t kDepth = 32;
  const Tensor x = Tensor::ones({kFloats}).set_requires_grad();
  std::size_t halfway = 0;
  Tensor y = x;
  for (std::size_t i = 0; i < kDepth; ++i) {
    y = exp(mul(y, 0.5));  // mul saves its input, exp its result
    if (i != kDepth / 2) continue;
    y.register_hook([&](const Tensor&) {
      halfway = allocator_stats().bytes_in_use;
      return Tensor();
    });
  }
  const Tensor loss = y.sum();
  y = Tensor();
  const std::size_t full = allocator_stats().bytes_in_use;
  CHECK(full >= kDepth * kBytes);
  reset_peak_memory();
  loss.backward();
  CHECK(halfway + kDepth / 2 * kBytes <= full + 6 * kBytes);
  CHECK(allocator_stats().peak_bytes_in_use <= full + 6 * kBytes);
  CHECK(allocator_stats().bytes_in_use + (kDepth - 2) * kBytes <= full);
}

TEST_CASE("an exception in a hook leaves the process usable") {
  const Tensor x = leaf(2);
  const Tensor y = mul(x, x);
  y.register_hook([](const Tensor&) -> Tensor { throw std::runtime_error("from a hook"); });
  CHECK_THROWS_WITH_AS(y.backward(), "from a hook", std::runtime_error);
  CHECK(grad_enabled());
  mul(x, x).backward();
  CHECK(x.grad().item() == 4);
}

TEST_CASE("a graph of which a part was freed is an error before anything is added up") {
  const Tensor x = leaf(3), w = leaf(2);
  const Tensor h = mul(x, x);
  const Tensor a = mul(h, h), b = mul(h, w);
  a.backward();
  CHECK_THROWS_AS(b.backward(), StateError);
  CHECK_FALSE(w.grad().defined());
}
