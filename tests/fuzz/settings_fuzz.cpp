// Files of settings, TOML and JSON, and what args.json holds. What was accepted is recorded, and
// the record is accepted again.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "tests/fuzz/support.h"
#include "train/cli/config.h"
#include "train/run_options.h"
#include "train/run_record.h"

using namespace resgrad;
using namespace resgrad::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static CLI::App app;
  static CLI::App& train = *app.add_subcommand("train", "");
  static CLI::App& eval [[maybe_unused]] = *app.add_subcommand("eval", "");
  static RunOptions options;
  static Settings rows = settings(options);
  const std::string text(as_text(data, size));
  if (size % 16 == 1) accepts([&] { from_json(text); });
  options = {};
  try {
    cli::apply_settings(train, rows, cli::parse_settings(train, text, "input"), "input");
  } catch (const CLI::ConfigError&) {
    return 0;
  }
  if (size % 16 != 0) return 0;  // the rest takes ten times as long
  std::string record;
  if (!accepts([&] { record = to_json(options); })) return 0;  // text that is not UTF-8
  expect(to_json(from_json(record)) == record, "a record of settings gives the same settings");
  return 0;
}
