#include "train/cli/config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <toml++/toml.h>
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "core/check.h"
#include "train/io/nesting.h"

namespace resgrad::cli {
namespace {

using Json = nlohmann::ordered_json;

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

Json read_json(const std::string& file, const std::string& text) {
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
    const std::string_view text = error.what();  // "[json.exception.parse_error.101] ..."
    fail(file, "expected a JSON object, got: {}", text.substr(text.find("] ") + 2));
  }
  if (!json.is_object()) fail(file, "expected a JSON object, got {}", json.type_name());
  json.erase("version");
  return json;
}

std::string line_of(const std::string& text, std::size_t number) {
  std::istringstream lines(text);
  std::string line;
  while (number-- > 0) std::getline(lines, line);
  return CLI::detail::trim_copy(line);
}

Json to_json(const toml::node& value, const std::string& file, const std::string& text) {
  if (const auto* flag = value.as_boolean()) return flag->get();
  if (const auto* words = value.as_string()) return words->get();
  if (const auto* array = value.as_array()) {
    Json json = Json::array();
    for (const toml::node& item : *array) json.push_back(to_json(item, file, text));
    return json;
  }
  if (const auto* table = value.as_table()) {
    Json json = Json::object();
    for (const auto& [name, item] : *table) json[std::string(name)] = to_json(item, file, text);
    return json;
  }
  // as flags are: no 0x10, no nan
  if (const auto* integer = value.as_integer();
      integer != nullptr && integer->flags() == toml::value_flags::none) {
    return integer->get();
  }
  if (const auto* number = value.as_floating_point();
      number != nullptr && std::isfinite(number->get())) {
    return number->get();
  }
  const std::size_t line = value.source().begin.line;
  fail(file, "line {}: expected text, a finite decimal number, true, false or a list, got: {}",
       line, line_of(text, line));
}

Json read_toml(const std::string& file, const std::string& text) {
  try {
    return to_json(toml::parse(text), file, text);
  } catch (const toml::parse_error& error) {
    const std::size_t line = error.source().begin.line;
    fail(file, "line {}: expected TOML, such as lr = 0.1 or model = \"resnet20\", got: {}: {}",
         line, line_of(text, line), error.description());
  }
}

// The settings outside of sections and those in the section of the command.
Json settings_of(const CLI::App& command, const std::string& file, Json json) {
  Json own = Json::object();
  for (const CLI::App* other : command.get_parent()->get_subcommands({})) {
    const auto section = json.find(other->get_name());
    if (section == json.end() || !section->is_object()) continue;
    if (other == &command) own = *section;
    json.erase(other->get_name());
  }
  for (const auto& [name, value] : own.items()) {
    if (json.contains(name)) fail(file, "{}: expected each setting once, got it twice", name);
    json[name] = value;
  }
  return json;
}

}  // namespace

Json read_settings(const CLI::App& command, const std::string& file) {
  return parse_settings(command, read_text(file), file);
}

Json parse_settings(const CLI::App& command, const std::string& text, const std::string& file) {
  if (is_nested_too_deeply(text)) {
    fail(file, "expected values nested at most {} deep, got more", kMostNested);
  }
  const bool is_json = file.ends_with(".json") || CLI::detail::trim_copy(text).starts_with('{');
  Json settings = Json::object();
  const Json json =
      settings_of(command, file, is_json ? read_json(file, text) : read_toml(file, text));
  for (const auto& [key, value] : json.items()) {
    if (is_empty_text(value)) continue;
    std::string name = key;
    std::ranges::replace(name, '_', '-');
    if (settings.contains(name)) fail(file, "{}: expected each setting once, got it twice", key);
    settings[name] = value;
  }
  return settings;
}

void apply_settings(const CLI::App& command, Settings& rows, const Json& values,
                    const std::string& file) {
  for (const auto& [name, value] : values.items()) {
    Setting* row = find(rows, name);
    if (row == nullptr) {
      std::vector<std::string> known;
      for (const Setting& setting : rows) known.emplace_back(setting.name);
      fail(file, "{}: expected a setting of {}, got an unknown one; known: {}", name,
           command.get_name(), fmt::join(known, ", "));
    }
    try {
      assign(*row, value);
    } catch (const ValueError& error) {
      fail(file, "{}: {}", name, error.what());
    }
  }
}

void add_config_flag(CLI::App& command, const std::shared_ptr<Settings>& rows) {
  command
      .add_option(
          "--config",
          [&command, rows](const CLI::results_t& files) {
            if (files.size() != 1) {
              throw CLI::ValidationError("--config",
                                         fmt::format("expected one file, got {}: {}", files.size(),
                                                     fmt::join(files, ", ")));
            }
            apply_settings(command, *rows, read_settings(command, files[0]), files[0]);
            return true;
          },
          "file of settings, such as scripts/recipes/*.toml or a run's args.json; flags win over "
          "it")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->group(std::string(title(Group::run)))
      ->option_text("FILE");
}

}  // namespace resgrad::cli
