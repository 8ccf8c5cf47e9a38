#include "train/cli/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

namespace resgrad::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Setting {
  std::string name;
  std::vector<std::string> values;
};

template <class... Args>
[[noreturn]] void fail(const std::string& file, fmt::format_string<Args...> text, Args&&... args) {
  throw CLI::ConfigError("config: " + file + ": " + fmt::format(text, std::forward<Args>(args)...));
}

std::string read_text(const std::string& file) {
  errno = 0;
  std::ifstream in(file);
  if (!in) fail(file, "expected a file that can be read, got: {}", std::strerror(errno));
  std::error_code ignored;
  if (std::filesystem::is_directory(file, ignored)) fail(file, "expected a file, got a folder");
  std::ostringstream text;
  text << in.rdbuf();
  if (in.bad()) fail(file, "expected a file that can be read, got: {}", std::strerror(errno));
  return text.str();
}

std::string json_value(const std::string& file, const std::string& name, const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number() || value.is_boolean()) return value.dump();
  fail(file, "{}: expected text, a number, true, false or a list of those, got {}", name,
       value.dump());
}

std::vector<Setting> read_json(const std::string& file, const std::string& text) {
  std::vector<Setting> settings;
  std::set<std::string> names;
  const auto once = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::key && depth == 1 &&
        !names.insert(parsed.get<std::string>()).second) {
      fail(file, "{}: expected each setting once, got it twice", parsed.get<std::string>());
    }
    return true;
  };
  Json json;
  try {
    json = Json::parse(text, once);
  } catch (const Json::exception& error) {
    fail(file, "expected a JSON object, got: {}", error.what());
  }
  if (!json.is_object()) fail(file, "expected a JSON object, got {}", json.type_name());
  for (const auto& [name, value] : json.items()) {
    if (name == "version" || value == "") continue;
    Setting setting{name, {}};
    if (value.is_array()) {
      for (const Json& item : value) setting.values.push_back(json_value(file, name, item));
    } else {
      setting.values.push_back(json_value(file, name, value));
    }
    settings.push_back(std::move(setting));
  }
  return settings;
}

// CLI11 reads on to the end of the file when a list is not closed.
void require_closed_lists(const std::string& file, const std::string& text) {
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    const std::string code = CLI::detail::trim_copy(line.substr(0, line.find('#')));
    const std::size_t equals = code.find('=');
    if (equals == std::string::npos) continue;
    const std::string value = CLI::detail::trim_copy(code.substr(equals + 1));
    if (value.starts_with('[') && !value.ends_with(']')) {
      fail(file, "expected a list that ends on its line, got: {}", line);
    }
  }
}

std::vector<Setting> read_toml(const std::string& file, const std::string& text) {
  require_closed_lists(file, text);
  std::istringstream in(text);
  std::vector<Setting> settings;
  for (CLI::ConfigItem& item : CLI::ConfigTOML().from_config(in)) {
    if (!item.parents.empty()) {
      fail(file, "expected settings without sections and points, got {}", item.fullname());
    }
    settings.push_back({std::move(item.name), std::move(item.inputs)});
  }
  return settings;
}

std::string known_settings(const CLI::App& command) {
  std::string known;
  for (const CLI::Option* option : command.get_options()) {
    if (!option->get_configurable() || option->get_lnames().empty()) continue;
    known += (known.empty() ? "" : ", ") + option->get_lnames().back();
  }
  return known;
}

void apply(CLI::Option& option, const std::string& file, const Setting& setting) {
  const bool is_switch = option.get_expected_min() == 0;
  const auto most = static_cast<std::size_t>(std::max(option.get_items_expected_max(), 1));
  if (setting.values.empty() || setting.values.front().empty() || setting.values.size() > most) {
    fail(file, "{}: expected {}, got \"{}\"", setting.name, most == 1 ? "one value" : "values",
         fmt::join(setting.values, ", "));
  }
  // CLI11 takes true for a number
  const std::string& value = setting.values.front();
  if (is_switch != (value == "true" || value == "false")) {
    fail(file, "{}: expected {}, got {}", setting.name,
         is_switch ? "true or false" : "no truth value", value);
  }
  if (option.count() > 0 || value == "false") return;
  try {
    option.add_result(setting.values);
    option.run_callback();
  } catch (const CLI::ParseError& error) {
    fail(file, "{}: {}", setting.name, error.what());
  }
}

void apply_config(CLI::App& command, const std::string& file) {
  const std::string text = read_text(file);
  const bool is_json = file.ends_with(".json") || CLI::detail::trim_copy(text).starts_with('{');
  std::set<const CLI::Option*> given;
  for (const Setting& setting : is_json ? read_json(file, text) : read_toml(file, text)) {
    std::string flag = "--" + setting.name;
    std::ranges::replace(flag, '_', '-');
    CLI::Option* option = command.get_option_no_throw(flag);
    if (option == nullptr || !option->get_configurable()) {
      fail(file, "{}: expected a setting of {}, got an unknown one; known: {}", setting.name,
           command.get_name(), known_settings(command));
    }
    if (!given.insert(option).second) {
      fail(file, "{}: expected each setting once, got it twice", setting.name);
    }
    apply(*option, file, setting);
  }
}

}  // namespace

void add_config_flag(CLI::App& command) {
  command
      .add_option_function<std::string>(
          "--config", [&command](const std::string& file) { apply_config(command, file); },
          "file of settings, such as scripts/recipes/*.toml or a run's args.json; flags win")
      ->configurable(false);
}

}  // namespace resgrad::cli
