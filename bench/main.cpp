// resgrad_bench: micro-benchmarks of the kernels.
//   build/resgrad_bench [--threads N] [--isa NAME] [--images N] [--benchmark_filter=REGEX ...]
// --images: of convolutions (32).
#include <fmt/format.h>
#include <omp.h>

#include <exception>
#include <string_view>

#include "bench/bench.h"
#include "core/check.h"
#include "core/kernels/isa.h"
#include "core/kernels/peak.h"
#include "core/parallel.h"

namespace resgrad::bench {

double peak_flops() {
  static const double peak = kernels::measure_peak_flops();
  return peak;
}

namespace {

void set_isa(std::string_view wanted) {
  for (const kernels::Isa isa : kernels::kAllIsas) {
    if (name(isa) == wanted && kernels::set_isa(isa)) return;
  }
  throw ValueError(fmt::format("--isa: expected an instruction set of this CPU (best: {}), got {}",
                               name(kernels::best_isa()), wanted));
}

void run(int argc, char** argv) {
  set_num_threads(omp_get_num_procs());
  benchmark::Initialize(&argc, argv);  // takes its own flags out
  std::int64_t images = 32;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    const std::string value = i + 1 < argc ? argv[++i] : "";
    if (flag == "--isa") {
      set_isa(value);
    } else if (flag == "--threads") {
      set_num_threads(std::atoi(value.c_str()));
    } else if (flag == "--images") {
      images = std::atoi(value.c_str());
      require<ValueError>(images >= 1, "--images: expected at least 1, got {}", value);
    } else {
      throw ValueError(fmt::format(
          "arguments: expected --threads N, --isa NAME, --images N or flags of Google Benchmark "
          "(--help), got {}",
          flag));
    }
  }
  add_conv2d(images);
  add_elementwise();
  add_batch_norm();
  add_pool();
  add_update_and_loss();
  add_augment();
  benchmark::AddCustomContext("threads", std::to_string(num_threads()));
  benchmark::AddCustomContext("isa", std::string(name(kernels::active_isa())));
  benchmark::AddCustomContext("FMA peak", fmt::format("{:.1f} GFLOP/s", peak_flops() / 1e9));
  benchmark::RunSpecifiedBenchmarks();
}

}  // namespace
}  // namespace resgrad::bench

int main(int argc, char** argv) {
  try {
    resgrad::bench::run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "resgrad_bench: {}\n", error.what());
    return 2;
  }
  return 0;
}
