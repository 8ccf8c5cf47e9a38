// The same bits on any number of threads, also where OpenMP gives fewer than kernels ask for.
#include "core/kernels/threads.h"

#include <doctest/doctest.h>
#include <omp.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <thread>
#include <vector>

#include "core/kernels/adamw.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/gemm.h"
#include "core/kernels/norm.h"
#include "core/kernels/sgd.h"
#include "core/ops/arithmetic.h"
#include "core/ops/conv2d.h"
#include "core/ops/cross_entropy.h"
#include "core/ops/fused/batch_norm_relu.h"
#include "core/ops/matmul.h"
#include "core/ops/pool.h"
#include "core/ops/prepared_conv2d.h"
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

// All passes on as many threads, from one on, as cut every kind of part somewhere.
void check_engine_on_threads(const kernels::Conv2dEngine<float>& engine,
                             const kernels::Conv2dDims& d) {
  const EngineProblem<float> problem(d, 1);
  for (auto pass : {Conv2dPass::forward, Conv2dPass::backward_input, Conv2dPass::backward_weight}) {
    for_each_isa([&](kernels::Isa) {
      if (!engine.supports(d, pass)) return;
      const auto on = [&](int threads) {
        const ThreadsGuard guard(threads);
        return problem.run(engine, pass);
      };
      const Tensor want = on(1);
      for (int threads : {2, 3, 5, 8}) {
        CHECK_MESSAGE(bit_equal(on(threads), want), describe({engine, 0}, d, pass), ", ", threads,
                      " threads");
      }
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

TEST_CASE("any number of threads: every convolution engine gives the same bits") {
  SUBCASE("reference: shares of the images, groups, both") {
    for (std::int64_t groups : {1, 3, 24}) {
      kernels::Conv2dDims d = square_conv2d(groups == 1 ? 19 : 5, 24, 48, 9, 7, 3, 2);
      d.groups = groups, d.dilation_h = 2;
      check_engine_on_threads(kernels::reference_conv2d<float>(), d);
    }
    check_engine_on_threads(kernels::reference_conv2d<float>(), square_conv2d(1, 7, 9, 5, 6, 1, 1));
  }
  SUBCASE("winograd: one or many images, sums that threads take in turn or work on together") {
    for (const kernels::Conv2dDims& d :
         {square_conv2d(1, 16, 32, 8, 5, 3, 1), square_conv2d(5, 96, 64, 16, 12, 3, 1),
          square_conv2d(65, 16, 16, 32, 32, 3, 1), square_conv2d(11, 48, 64, 31, 24, 3, 2)}) {
      check_engine_on_threads(kernels::winograd_conv2d(), d);
    }
  }
  SUBCASE("winograd: planes, columns") {
    for (const kernels::Conv2dDims& d :
         {square_conv2d(9, 192, 208, 8, 12, 3, 1), square_conv2d(3, 352, 352, 4, 4, 3, 1),
          square_conv2d(22, 96, 208, 16, 24, 3, 2), square_conv2d(128, 176, 352, 8, 8, 3, 2)}) {
      check_engine_on_threads(kernels::winograd_conv2d(), d);
    }
  }
  SUBCASE("direct: units of one sum, several sums, gradients packed") {
    for (const kernels::Conv2dDims& d :
         {square_conv2d(1, 16, 16, 3, 1, 3, 2), square_conv2d(2, 80, 144, 9, 12, 3, 2),
          square_conv2d(5, 272, 528, 9, 12, 1, 1), square_conv2d(1, 176, 400, 7, 7, 5, 2),
          square_conv2d(65, 3, 16, 24, 24, 3, 1), square_conv2d(17, 40, 48, 16, 16, 1, 1)}) {
      check_engine_on_threads(kernels::direct_conv2d(), d);
    }
  }
  SUBCASE("grouped") {
    for (std::int64_t group : {2, 4, 8, 16}) {
      for (std::int64_t channels : {16, 80, 288}) {
        CAPTURE(group);
        kernels::Conv2dDims d =
            square_conv2d(channels == 80 ? 1 : 5, channels, channels, 9, 12, 3, group == 4 ? 2 : 1);
        d.groups = d.c_in / group;
        check_engine_on_threads(kernels::grouped_conv2d(), d);
      }
    }
  }
}

TEST_CASE("any number of threads: all operations give the same bits") {
  std::vector<Tensor> want;
  for (int threads : {1, 2, 3, 5, 8}) {
    const ThreadsGuard guard(threads);
    const std::vector<Tensor> got = train_a_step();
    if (threads == 1) want = got;
    REQUIRE(got.size() == want.size());
    for (std::size_t i = 0; i < want.size(); ++i) {
      CAPTURE(i);
      CAPTURE(threads);
      CHECK(bit_equal(got[i], want[i]));
    }
  }
}

TEST_CASE("any number of threads: matrix products give the same bits") {
  using kernels::Transpose;
  // a classifier's three products, sides of odd lengths, a long depth, a single row
  for (const std::array<std::int64_t, 3>& size : {std::array<std::int64_t, 3>{128, 10, 512},
                                                  {10, 512, 128},
                                                  {1000, 2049, 33},
                                                  {257, 129, 4099},
                                                  {1, 70000, 17}}) {
    const std::int64_t m = size[0], n = size[1], k = size[2];
    const Tensor a = random_tensor({m * k}, 1, DType::float32);
    const Tensor b = random_tensor({k * n}, 2, DType::float32);
    for (auto ta : {Transpose::no, Transpose::yes}) {
      for (auto tb : {Transpose::no, Transpose::yes}) {
        Tensor want;
        for (int threads : {1, 2, 3, 5, 8}) {
          const ThreadsGuard guard(threads);
          Tensor got = Tensor::empty({m, n});
          kernels::gemm<float>(ta, tb, m, n, k, 1, a.data<float>(), ta == Transpose::no ? k : m,
                               b.data<float>(), tb == Transpose::no ? n : k, 0, got.data<float>(),
                               n);
          if (threads == 1) want = got;
          CHECK(bit_equal(got, want));
        }
      }
    }
  }
}

TEST_CASE("any number of threads: updates of parameters give the same bits") {
  const std::int64_t n = 40013;  // ends within a vector for each number of threads
  for_each_isa([&](kernels::Isa) {
    std::vector<Tensor> want;
    for (int threads : {1, 2, 3, 5, 8}) {
      const ThreadsGuard guard(threads);
      const auto values = [&](std::uint64_t seed) {
        return random_tensor({n}, seed, DType::float32);
      };
      const Tensor dw = values(1);
      Tensor w = values(2), v = values(3), m = values(4), u = values(5), average = values(6);
      Tensor squares = Tensor::ones({n});
      kernels::sgd<float>().step(w.data<float>(), v.data<float>(), dw.data<float>(), n,
                                 {.lr = 0.1,
                                  .momentum = 0.9,
                                  .dampening = 0.1,
                                  .weight_decay = 1e-4,
                                  .nesterov = true,
                                  .first = false});
      kernels::adamw<float>().step(u.data<float>(), m.data<float>(), squares.data<float>(),
                                   dw.data<float>(), n,
                                   {.shrink = 0.99,
                                    .beta1 = 0.9,
                                    .beta2 = 0.99,
                                    .eps = 1e-8,
                                    .step_size = 0.01,
                                    .root_scale = 1.1});
      kernels::elementwise<float>().axpy(average.data<float>(), 0.37F, dw.data<float>(), n);
      const double norm = kernels::squared_norm(dw.data<float>(), n);
      const std::vector<Tensor> got = {
          w, v, u, m, squares, average, Tensor::full({1}, norm, DType::float64)};
      if (threads == 1) want = got;
      for (std::size_t i = 0; i < got.size(); ++i) {
        CAPTURE(i);
        CAPTURE(threads);
        CHECK(bit_equal(got[i], want[i]));
      }
    }
  });
}

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

TEST_CASE("a smaller team: prepared convolutions give the same bits") {
  const ThreadsGuard guard(3);
  for (const std::int64_t kernel : {1, 3}) {  // direct and winograd
    const Tensor x = random_tensor({2, 64, 9, 12}, 1, DType::float32, MemoryFormat::channels_last);
    const Conv2dWeights weights{random_tensor({96, 64, kernel, kernel}, 2, DType::float32), {}};
    const Conv2dOptions options{.padding = kernel / 2};
    const Tensor want = conv2d(x, weights.weight, options);
    Tensor got;
    within_a_region([&] { got = PreparedConv2d(weights, options)({x}, {}, false); });
    CHECK(bit_equal(got, want));
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
