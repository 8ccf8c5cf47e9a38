// What kernels compute where OpenMP gives them fewer threads than they ask for.
#include "core/kernels/threads.h"

#include <doctest/doctest.h>
#include <omp.h>

#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <thread>
#include <vector>

#include "core/ops/arithmetic.h"
#include "core/ops/conv2d.h"
#include "core/ops/cross_entropy.h"
#include "core/ops/fused/batch_norm_relu.h"
#include "core/ops/matmul.h"
#include "core/ops/pool.h"
#include "core/ops/relu.h"
#include "core/ops/shaping.h"
#include "core/parallel.h"
#include "tests/support/conv2d_engines.h"

using namespace resgrad;
using namespace resgrad::testing;
using kernels::Conv2dPass;

namespace {

// Calls f where every parallel region gets one thread, whatever it asks for: within another one.
template <class F>
void within_a_region(const F& f) {
  const int levels = omp_get_max_active_levels();
  omp_set_max_active_levels(1);
#pragma omp parallel num_threads(2)
  {
#pragma omp single
    f();
  }
  omp_set_max_active_levels(levels);
}

void check_engine_within_a_region(const kernels::Conv2dEngine<float>& engine,
                                  const kernels::Conv2dDims& d) {
  const EngineProblem<float> problem(d, 1);
  for (auto pass : {Conv2dPass::forward, Conv2dPass::backward_input, Conv2dPass::backward_weight}) {
    for_each_isa([&](kernels::Isa) {
      if (!engine.supports(d, pass)) return;
      const Tensor want = problem.run(engine, pass);
      Tensor got;
      within_a_region([&] { got = problem.run(engine, pass); });
      CHECK_MESSAGE(bit_equal(got, want), describe({engine, 0}, d, pass));
    });
  }
}

// The loss of a network with one of each operation that shares work among threads, then the
// gradients of its parameters.
std::vector<Tensor> train_a_step() {
  const auto make = [](const Shape& shape, std::uint64_t seed) {
    return random_tensor(shape, seed, DType::float32);
  };
  Tensor x = make({6, 16, 32, 32}, 1).to(MemoryFormat::channels_last);
  std::vector<Tensor> parameters = {make({32, 4, 3, 3}, 2), make({32}, 3), make({32}, 4),
                                    make({32, 32, 3, 3}, 5), make({300, 32 * 16}, 6)};
  for (Tensor& p : parameters) p.set_requires_grad();
  Tensor mean = Tensor::zeros({32}), var = Tensor::ones({32});
  Tensor y = conv2d(x, parameters[0], Tensor(), {.padding = 1, .groups = 4});
  y = batch_norm_relu(y, parameters[1], parameters[2], mean, var, {.training = true});
  y = add(relu(conv2d(y, parameters[3], Tensor(), {.padding = 1})), y);
  y = avg_pool2d(max_pool2d(y, {.kernel = 2}), {.kernel = 4});
  y = linear(flatten(y), parameters[4], Tensor());
  Tensor labels = Tensor::zeros({6}, DType::int64);
  const Tensor loss = cross_entropy(y, labels);
  loss.backward();
  std::vector<Tensor> results = {loss.detach(), mean, var};
  for (const Tensor& p : parameters) results.push_back(p.grad());
  return results;
}

std::ptrdiff_t threads_of_process() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
}

}  // namespace

TEST_CASE("a smaller team: every convolution engine gives the same bits") {
  const ThreadsGuard guard(3);
  SUBCASE("reference") {
    check_engine_within_a_region(kernels::reference_conv2d<float>(),
                                 square_conv2d(5, 16, 24, 9, 7, 3, 2));
  }
  SUBCASE("winograd, threads sharing by tiles") {
    check_engine_within_a_region(kernels::winograd_conv2d(),
                                 square_conv2d(5, 16, 32, 16, 12, 3, 1));
  }
  SUBCASE("winograd, threads sharing by planes") {
    check_engine_within_a_region(kernels::winograd_conv2d(),
                                 square_conv2d(9, 192, 208, 8, 12, 3, 1));
  }
  SUBCASE("winograd, threads sharing by columns") {
    check_engine_within_a_region(kernels::winograd_conv2d(),
                                 square_conv2d(3, 352, 352, 4, 4, 3, 1));
  }
  SUBCASE("direct") {
    check_engine_within_a_region(kernels::direct_conv2d(), square_conv2d(5, 16, 32, 9, 12, 3, 2));
  }
  SUBCASE("direct, gradients packed") {
    check_engine_within_a_region(kernels::direct_conv2d(), square_conv2d(5, 48, 512, 9, 12, 1, 1));
  }
  for (std::int64_t group : {2, 4, 8, 16}) {
    CAPTURE(group);
    kernels::Conv2dDims d = square_conv2d(5, 64, 64, 9, 12, 3, group == 4 ? 2 : 1);
    d.groups = d.c_in / group;
    check_engine_within_a_region(kernels::grouped_conv2d(), d);
  }
}

TEST_CASE("a smaller team: all operations give the same bits") {
  const ThreadsGuard guard(3);
  const std::vector<Tensor> want = train_a_step();
  std::vector<Tensor> got;
  within_a_region([&] { got = train_a_step(); });
  REQUIRE(got.size() == want.size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    CAPTURE(i);
    CHECK(bit_equal(got[i], want[i]));
  }
}

TEST_CASE("a smaller team: sums and products by hand") {
  const ThreadsGuard guard(2);
  const auto check = [] {
    const Tensor x = Tensor::ones({4, 128, 16, 16});
    const Tensor w = Tensor::ones({128, 4, 3, 3}).set_requires_grad();
    conv2d(x, w, Tensor(), {.padding = 1, .groups = 32}).sum().backward();
    CHECK(w.grad().to_vector<float>()[4] == 4 * 16 * 16);  // the tap in the middle
    const Tensor y = linear(Tensor::ones({128, 2048}), Tensor::ones({1024, 2048}), Tensor());
    CHECK(bit_equal(y, Tensor::full({128, 1024}, 2048)));
  };
  check();
  within_a_region(check);
}

TEST_CASE("the same in a process with a smaller limit of threads, or whose teams OpenMP chooses") {
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  for (const std::string setting :
       {"OMP_THREAD_LIMIT=1", "OMP_THREAD_LIMIT=2", "OMP_DYNAMIC=true"}) {
    const std::string command =
        fmt::format("env {} timeout -k 1 300 '{}' --test-case='a smaller team*' >/dev/null 2>&1",
                    setting, self);
    CHECK_MESSAGE(std::system(command.c_str()) == 0, command);
  }
}

TEST_CASE("the number of threads holds for kernels that any thread calls") {
  const ThreadsGuard guard(1);
  int seen = 0;
  std::ptrdiff_t before = 0, after = 0;
  std::thread([&] {
    seen = num_threads();
    before = threads_of_process();
    train_a_step();
    after = threads_of_process();
  }).join();
  CHECK(seen == 1);
  CHECK(after == before);
}

TEST_CASE("loops over few values are not worth the start of other threads") {
  const ThreadsGuard guard(3);
  CHECK(kernels::threads_for(1000) == 1);
  CHECK(kernels::threads_for(1 << 20) == 3);
}
