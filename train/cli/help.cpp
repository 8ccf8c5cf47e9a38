#include "train/cli/help.h"

#include <sstream>

#include "train/settings.h"

namespace resgrad::cli {
namespace {

constexpr std::size_t kWidth = 80, kTextColumn = 28;

// `name` on the left, `text` on the right, broken between words.
std::string entry(const std::string& name, const std::string& text) {
  std::string line = "  " + name, all;
  if (line.size() + 2 > kTextColumn) {
    all = line + '\n';
    line.clear();
  }
  line.resize(kTextColumn - 1, ' ');
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (line.size() + 1 + word.size() > kWidth && line.size() > kTextColumn) {
      all += line + '\n';
      line.assign(kTextColumn - 1, ' ');
    }
    line += ' ' + word;
  }
  return all + line + '\n';
}

}  // namespace

std::string HelpFormatter::make_help(const CLI::App* app, std::string name,
                                     CLI::AppFormatMode mode) const {
  std::string all = app->get_description() + '\n' + make_usage(app, std::move(name)) +
                    make_positionals(app) + make_subcommands(app, mode);
  const auto add = [&](const std::string& group, const std::string& heading) {
    const auto options = app->get_options([&](const CLI::Option* option) {
      return option->get_group() == group && option->nonpositional();
    });
    if (!options.empty()) all += make_group(heading, false, options);
  };
  for (int group = 0; group < kGroups; ++group) {
    const std::string heading(title(static_cast<Group>(group)));
    add(heading, heading);
  }
  add("Options", "Help");
  return all;
}

std::string HelpFormatter::make_option(const CLI::Option* option, bool is_positional) const {
  std::string name = is_positional ? option->get_option_text() : option->get_name(false, true);
  if (const std::size_t comma = name.find(','); !is_positional && comma != std::string::npos) {
    name.insert(comma + 1, " ");
  }
  if (!is_positional && !option->get_option_text().empty()) name += ' ' + option->get_option_text();
  return entry(name, option->get_description());
}

std::string HelpFormatter::make_subcommand(const CLI::App* command) const {
  return entry(command->get_name(), command->get_description());
}

}  // namespace resgrad::cli
