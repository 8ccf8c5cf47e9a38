// resgrad gradcheck: numeric against analytic gradients of every operation and block, as a table.
#include <fmt/format.h>

#include <memory>
#include <set>

#include "train/cli/block_gradcheck_cases.h"
#include "train/cli/commands.h"
#include "train/gradcheck_cases.h"

namespace resgrad::cli {
namespace {

std::vector<GradcheckCase> all_cases() {
  std::vector<GradcheckCase> cases = op_gradcheck_cases();
  for (GradcheckCase& block : block_gradcheck_cases()) cases.push_back(std::move(block));
  return cases;
}

int run_gradcheck(const std::string& op, std::uint64_t seed) {
  GradcheckOptions options;
  options.seed = seed;
  fmt::print("{:<16}{:<66}{:>9}{:>12}  {}\n", "operation", "case", "elements", "max error",
             "result");
  std::int64_t checked = 0, failed = 0;
  for (const GradcheckCase& c : all_cases()) {
    if (!op.empty() && c.op != op) continue;
    const GradcheckResult result = c.run(options);
    ++checked;
    failed += !result.ok;
    fmt::print("{:<16}{:<66}{:>9}{:>12.2e}  {}\n", c.op, c.name, result.checked,
               result.max_rel_error, result.ok ? "ok" : result.explain());
  }
  fmt::print("{} cases, {} failed (float64, h = {:g}, relative tolerance {:g})\n", checked, failed,
             options.h, options.rtol);
  return failed == 0 ? 0 : 1;
}

}  // namespace

void add_gradcheck(CLI::App& app, Action& action) {
  struct Flags {
    std::string op;
    std::uint64_t seed = 0;
  };
  auto flags = std::make_shared<Flags>();
  std::set<std::string> ops;
  for (const GradcheckCase& c : all_cases()) ops.insert(c.op);
  CLI::App* command =
      app.add_subcommand("gradcheck", "compares analytic with numeric gradients of all operations");
  command->add_option("--op", flags->op, "only this operation or block [default: all]")
      ->check(CLI::IsMember(ops));
  command->add_option("--seed", flags->seed, "of the random weights of the loss")
      ->capture_default_str();
  command->callback(
      [flags, &action] { action = [flags] { return run_gradcheck(flags->op, flags->seed); }; });
}

}  // namespace resgrad::cli
