// What the micro-benchmarks share: the timing loop with its counters, and buffers.
#pragma once

#include <benchmark/benchmark.h>

#include <chrono>

#include "core/random.h"
#include "core/tensor.h"

namespace resgrad::bench {

/// FMA peak of this machine in operations per second, measured by this process on its threads.
double peak_flops();

/// What one call does; zero where it does not apply.
struct Work {
  double flops = 0;  ///< two per multiply-add; convolutions counted as direct
  double bytes = 0;  ///< of the tensors that are read and written, each once
  double images = 0;
};

/// Times calls of f. Counters: GFLOP/s and share of the FMA peak, GB/s, images/s.
template <class F>
void measure(benchmark::State& state, const Work& work, F&& f) {
  using Clock = std::chrono::steady_clock;
  f();  // first touch of the buffers
  const Clock::time_point start = Clock::now();
  for (auto _ : state) f();
  const std::chrono::duration<double> elapsed = Clock::now() - start;
  const double rate = static_cast<double>(state.iterations()) / elapsed.count();
  if (work.flops > 0) {
    state.counters["GFLOP/s"] = work.flops * rate / 1e9;
    state.counters["of_peak"] = work.flops * rate / peak_flops();
  }
  if (work.bytes > 0) state.counters["GB/s"] = work.bytes * rate / 1e9;
  if (work.images > 0) state.counters["images/s"] = work.images * rate;
}

/// Registers f(state) as a case. Times are those of the clock: CPU time would count every thread.
template <class F>
void add(const std::string& name, F f) {
  benchmark::RegisterBenchmark(name.c_str(), f)->UseRealTime()->Unit(benchmark::kMicrosecond);
}

/// Values in [-1, 1).
inline Tensor random_tensor(Shape shape) {
  Random random(1, Purpose::test);
  return Tensor::rand(std::move(shape), random, -1, 1);
}

void add_conv2d(std::int64_t images);
void add_elementwise();
void add_batch_norm();
void add_pool();
void add_update_and_loss();
void add_augment();

}  // namespace resgrad::bench
