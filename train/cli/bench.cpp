// resgrad bench: speed and memory of training and inference on random data.
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/clock.h"
#include "core/kernels/conv2d.h"
#include "core/kernels/isa.h"
#include "core/kernels/peak.h"
#include "core/parallel.h"
#include "core/random.h"
#include "models/models.h"
#include "nn/inference.h"
#include "nn/loss.h"
#include "train/cli/commands.h"
#include "train/cli/flags.h"
#include "train/cli/network.h"
#include "train/cli/output.h"
#include "train/optim/sgd.h"

namespace resgrad::cli {
namespace {

struct BenchFlags : NetworkOptions, MachineOptions {
  std::int64_t batch_size = 128;
  std::int64_t infer_batch_size = 0;  // 0: that of training
  std::uint64_t seed = 1;
  std::int64_t steps = 10;
  double seconds = 0;
  bool json = false;
};

// Seconds since the process was started, loading of its libraries included; the kernel counts in
// 1/100 s.
double process_age() {
  std::ifstream file("/proc/self/stat");
  std::string stat{std::istreambuf_iterator<char>(file), {}};
  // the second field is the name in parentheses, which may hold blanks; start time is the 22nd
  std::istringstream fields(stat.substr(std::min(stat.size(), stat.rfind(')') + 1)));
  std::string skipped;
  for (int field = 3; field < 22; ++field) fields >> skipped;
  double start_ticks = 0;
  require<IoError>(static_cast<bool>(fields >> start_ticks),
                   "/proc/self/stat: expected the start time as field 22, got '{}'", stat);
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec) -
         start_ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t n = values.size();
  return (values[(n - 1) / 2] + values[n / 2]) / 2;
}

double peak_rss_mb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

// Seconds of each call of f, after one that is not counted; at least `steps` calls, and as many as
// fill `min_seconds`.
template <class F>
std::vector<double> time_calls(std::int64_t steps, double min_seconds, F&& f) {
  f();
  std::vector<double> seconds;
  const Clock::time_point begin = Clock::now();
  while (std::ssize(seconds) < steps || seconds_since(begin) < min_seconds) {
    const Clock::time_point start = Clock::now();
    f();
    seconds.push_back(seconds_since(start));
  }
  return seconds;
}

Tensor random_images(std::int64_t n, std::int64_t size, Random& random) {
  return Tensor::rand({n, 3, size, size}, random, -1, 1, DType::float32,
                      MemoryFormat::channels_last);
}

int run_bench(const BenchFlags& o, const ResNetConfig& config) {
  apply_machine_options(o);
  const auto net = models::make(config);
  net->set_recompute_blocks(o.recompute);
  Random random(o.seed, Purpose::test);
  const Tensor images = random_images(o.batch_size, kImageSize, random);
  Tensor labels = Tensor::empty({o.batch_size}, DType::int64);
  std::generate_n(labels.data<std::int64_t>(), o.batch_size,
                  [&] { return random.below(kClasses); });

  Sgd optimizer({{.parameters = net->named_parameters()}},
                {.lr = 0.01, .momentum = 0.9, .weight_decay = 5e-4});
  const CrossEntropyLoss loss;
  const auto train_step = [&] {
    optimizer.zero_grad();
    loss((*net)(images), labels).backward();
    optimizer.step();
  };
  train_step();
  const double first_step_s = process_age();
  const std::vector<double> train = time_calls(o.steps, o.seconds, train_step);
  const double rss_mb = peak_rss_mb();
  net->eval();
  const std::int64_t infer_batch_size = o.infer_batch_size > 0 ? o.infer_batch_size : o.batch_size;
  const Tensor infer_images = random_images(infer_batch_size, kImageSize, random);
  InferenceNet inference = prepare_inference(*net);
  const std::vector<double> infer =
      time_calls(o.steps, o.seconds, [&] { inference(infer_images); });

  const double peak_flops = kernels::measure_peak_flops();
  const double train_rate = static_cast<double>(o.batch_size) / median(train);
  const double infer_rate = static_cast<double>(infer_batch_size) / median(infer);
  // forward, gradient of the input, gradient of the weight: each two operations per multiply-add
  const double flops_per_image =
      3 * 2 * static_cast<double>(multiply_adds(*net, {1, 3, kImageSize, kImageSize}));
  const nlohmann::ordered_json json = {
      {"model", o.model},
      {"network", models::to_text(models::to_fields(config))},
      {"parameters", net->parameter_count()},
      {"batch_size", o.batch_size},
      {"infer_batch_size", infer_batch_size},
      {"threads", num_threads()},
      {"isa", name(kernels::active_isa())},
      {"conv_engine", kernels::conv2d_engine_setting()},
      {"recompute", o.recompute},
      {"steps", train.size()},
      {"train_images_per_s", train_rate},
      {"infer_images_per_s", infer_rate},
      {"train_step_ms",
       {{"min", 1e3 * std::ranges::min(train)},
        {"median", 1e3 * median(train)},
        {"max", 1e3 * std::ranges::max(train)}}},
      {"first_step_done_s", first_step_s},
      {"peak_rss_mb", rss_mb},
      {"fma_peak_gflops", peak_flops / 1e9},
      {"direct_conv_share", flops_per_image * train_rate / peak_flops}};
  if (o.json) {
    print_json(json, -1);
    return 0;
  }
  print_out("{}, batch {}, {} threads, {}\n", models::describe(o.model, config), o.batch_size,
            num_threads(), name(kernels::active_isa()));
  print_out("training   {:>9.1f} images/s   step {:.1f} ms (min {:.1f}, max {:.1f})\n", train_rate,
            1e3 * median(train), 1e3 * std::ranges::min(train), 1e3 * std::ranges::max(train));
  print_out("inference  {:>9.1f} images/s\n", infer_rate);
  print_out("first step done after {:.2f} s, peak memory of training {:.0f} MB\n", first_step_s,
            rss_mb);
  print_out(
      "FMA peak {:.0f} GFLOP/s; training runs at {:.2f} of it, counted as direct convolution\n",
      peak_flops / 1e9, json["direct_conv_share"].get<double>());
  return 0;
}

Settings settings(BenchFlags& flags) {
  Settings rows = network_settings(flags, network_words());
  append(rows, {{.name = "batch-size",
                 .group = Group::run,
                 .help = "images per step",
                 .value = &flags.batch_size,
                 .limits = IntegerRange{1},
                 .also = "-b"},
                {.name = "infer-batch-size",
                 .group = Group::run,
                 .help = "images per step of inference",
                 .value = &flags.infer_batch_size,
                 .limits = IntegerRange{1},
                 .default_text = "--batch-size"},
                {.name = "steps",
                 .group = Group::run,
                 .help = "timed steps at least, after two of training and one of inference",
                 .value = &flags.steps,
                 .limits = IntegerRange{1}},
                {.name = "seconds",
                 .group = Group::run,
                 .help = "seconds at least of training, then of inference",
                 .value = &flags.seconds,
                 .limits = kAtLeastZero},
                {.name = "seed",
                 .group = Group::run,
                 .help = "seed of the weights and images",
                 .value = &flags.seed},
                json_setting(flags.json)});
  append(rows, machine_settings(flags));
  return rows;
}

}  // namespace

void add_bench(CLI::App& app, Action& action) {
  auto flags = std::make_shared<BenchFlags>();
  CLI::App& command = add_command(app, "bench", "measures training and inference on random images");
  add_flags(command, settings(*flags));
  on_chosen(command, [flags, &action] {
    const ResNetConfig config = checked_network(*flags, kImageSize, kClasses);
    action = [flags, config] { return run_bench(*flags, config); };
  });
}

}  // namespace resgrad::cli
