// resgrad gradcheck: numeric against analytic gradients of every operation and block in float64, or
// of the convolutions of one engine in float32, as a table.
#include <fmt/format.h>

#include <memory>
#include <set>

#include "core/catalogue/gradcheck_cases.h"
#include "core/check.h"
#include "core/kernels/isa.h"
#include "train/cli/block_gradcheck_cases.h"
#include "train/cli/commands.h"
#include "train/cli/flags.h"
#include "train/cli/output.h"

namespace resgrad::cli {
namespace {

std::vector<GradcheckCase> float64_cases() {
  std::vector<GradcheckCase> cases = op_gradcheck_cases();
  for (GradcheckCase& block : block_gradcheck_cases()) cases.push_back(std::move(block));
  return cases;
}

struct GradcheckFlags : MachineOptions {
  std::string op;
  std::uint64_t seed = 0;
};

int run_gradcheck(const GradcheckFlags& flags) {
  apply_machine_options(flags);
  const bool one_engine = flags.conv_engine != "auto";
  const std::vector<GradcheckCase> cases =
      one_engine ? conv2d_engine_gradcheck_cases() : float64_cases();
  GradcheckOptions options;
  options.seed = flags.seed;
  print_out("{:<16}{:<66}{:>9}{:>12}  {}\n", "operation", "case", "elements", "max error",
            "result");
  std::int64_t checked = 0, failed = 0;
  for (const GradcheckCase& c : cases) {
    if (!flags.op.empty() && c.op != flags.op) continue;
    const GradcheckResult result = c.run(options);
    ++checked;
    failed += !result.ok;
    print_out("{:<16}{:<66}{:>9}{:>12.2e}  {}\n", c.op, c.name, result.checked,
              result.max_rel_error, result.ok ? "ok" : result.explain());
  }
  if (one_engine) {
    print_out("{} cases, {} failed (float32 of {} on {} against numeric gradients in float64)\n",
              checked, failed, flags.conv_engine, name(kernels::active_isa()));
  } else {
    print_out("{} cases, {} failed (float64, h = {:g}, relative tolerance {:g})\n", checked, failed,
              options.h, options.rtol);
  }
  require<ValueError>(checked > 0, "gradcheck: --op {}: expected conv2d with --conv-engine {}",
                      flags.op, flags.conv_engine);
  return failed == 0 ? 0 : 1;
}

std::vector<std::string> op_names() {
  static const std::vector<std::string> names = [] {
    std::set<std::string> ops;
    for (const GradcheckCase& c : float64_cases()) ops.insert(c.op);
    return std::vector<std::string>(ops.begin(), ops.end());
  }();
  return names;
}

Settings settings(GradcheckFlags& flags) {
  Settings rows = {{.name = "op",
                    .group = Group::run,
                    .help = "only this operation or block",
                    .value = &flags.op,
                    .limits = op_names,
                    .default_text = "all"},
                   {.name = "seed",
                    .group = Group::run,
                    .help = "seed of the random weights of the loss",
                    .value = &flags.seed}};
  append(rows, machine_settings(flags));
  return rows;
}

}  // namespace

void add_gradcheck(CLI::App& app, Action& action) {
  auto flags = std::make_shared<GradcheckFlags>();
  CLI::App& command =
      add_command(app, "gradcheck", "compares analytic with numeric gradients of all operations");
  add_flags(command, settings(*flags));
  on_chosen(command, [flags, &action] { action = [flags] { return run_gradcheck(*flags); }; });
}

}  // namespace resgrad::cli
