// resgrad info: how this program was built and what it runs on.
#include <fmt/format.h>
#include <omp.h>
#include <spdlog/version.h>
#include <CLI/Version.hpp>
#include <nlohmann/json.hpp>

#include <memory>

#include "core/kernels/blas.h"
#include "core/kernels/conv2d.h"
#include "core/kernels/isa.h"
#include "core/parallel.h"
#include "train/cli/commands.h"
#include "train/cli/flags.h"
#include "train/cli/output.h"
#include "train/version.h"

namespace resgrad::cli {
namespace {

int print_info(const MachineOptions& options) {
  apply_machine_options(options);
  const auto row = [](std::string_view key, const std::string& value) {
    print_out("{:<22}{}\n", key, value);
  };
  row("resgrad", kVersion);
#if defined(__clang__)
  row("compiler", std::string("clang ") + __clang_version__);
#else
  row("compiler", std::string("g++ ") + __VERSION__);
#endif
#ifdef NDEBUG
  row("build", "optimised, without assertions");
#else
  row("build", "with assertions");
#endif
  std::string isas;
  for (const kernels::Isa isa : kernels::kAllIsas) {
    isas += fmt::format("{}{} ({})", isas.empty() ? "" : ", ", name(isa),
                        isa == kernels::active_isa() ? "active"
                        : kernels::supported(isa)    ? "supported"
                                                     : "not on this CPU");
  }
  row("instruction sets", isas);
  row("threads", fmt::format("{} (of {} cores)", num_threads(), omp_get_num_procs()));
  row("BLAS", kernels::blas_config());
  row("convolution engines",
      fmt::format("{} (setting: {})", fmt::join(kernels::conv2d_engine_names(), ", "),
                  kernels::conv2d_engine_setting()));
  row("fmt",
      fmt::format("{}.{}.{}", FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100));
  row("spdlog", fmt::format("{}.{}.{}", SPDLOG_VER_MAJOR, SPDLOG_VER_MINOR, SPDLOG_VER_PATCH));
  row("CLI11", CLI11_VERSION);
  row("nlohmann-json", fmt::format("{}.{}.{}", NLOHMANN_JSON_VERSION_MAJOR,
                                   NLOHMANN_JSON_VERSION_MINOR, NLOHMANN_JSON_VERSION_PATCH));
  row("xtensor", RESGRAD_XTENSOR_VERSION);
  row("xtensor-blas", RESGRAD_XTENSOR_BLAS_VERSION);
  return 0;
}

}  // namespace

void add_info(CLI::App& app, Action& action) {
  auto options = std::make_shared<MachineOptions>();
  CLI::App& command = add_command(app, "info", "prints build, libraries, CPU features and threads");
  add_flags(command, machine_settings(*options));
  on_chosen(command, [options, &action] { action = [options] { return print_info(*options); }; });
}

}  // namespace resgrad::cli
