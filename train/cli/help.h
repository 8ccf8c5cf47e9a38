// How --help looks: settings under the headings of their groups, within 80 columns.
#pragma once

#include <CLI/CLI.hpp>

namespace resgrad::cli {

class HelpFormatter final : public CLI::Formatter {
 public:
  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override;
  std::string make_option(const CLI::Option* option, bool is_positional) const override;
  std::string make_subcommand(const CLI::App* command) const override;
};

}  // namespace resgrad::cli
