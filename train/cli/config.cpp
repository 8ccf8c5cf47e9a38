#include "train/cli/config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <toml.hpp>

#include "core/check.h"
#include "train/io/nesting.h"
#include "train/io/utf8.h"

namespace resgrad::cli {
namespace {

using Json = nlohmann::ordered_json;
using Toml = toml::basic_value<toml::discard_comments, std::map>;

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

// The words of the file itself: the library makes 2^63 - 1 of integers that are larger.
Json number_as_written(const std::string& file, const Toml& value) {
  const toml::source_location place = value.location();
  const std::string word = place.line_str().substr(place.column() - 1, place.region());
  Json number = Json::parse(word, nullptr, false);
  if (!number.is_number()) {
    fail(file, "line {}: expected a finite decimal number, got {}", place.line(), word);
  }
  return number;
}

Json to_json(const std::string& file, const Toml& value) {
  if (value.is_boolean()) return value.as_boolean();
  if (value.is_string()) return value.as_string().str;
  if (value.is_integer() || value.is_floating()) return number_as_written(file, value);
  Json json;
  if (value.is_array()) {
    json = Json::array();
    for (const Toml& item : value.as_array()) json.push_back(to_json(file, item));
  } else if (value.is_table()) {
    json = Json::object();
    for (const auto& [name, item] : value.as_table()) json[name] = to_json(file, item);
  } else {
    fail(file, "line {}: expected text, a number, true, false or a list, got a date or time",
         value.location().line());
  }
  return json;
}

// The first line of what the library says, without the name of its function.
std::string reason(const toml::exception& error) {
  std::string text = error.what();
  text = text.substr(0, text.find('\n'));
  for (const std::string_view before : {"[error] ", "toml::"}) {
    if (text.starts_with(before)) text.erase(0, before.size());
  }
  const std::size_t function = text.find(": ");
  return text.substr(0, function).find(' ') == std::string::npos ? text.substr(function + 2) : text;
}

Json read_toml(const std::string& file, const std::string& text) {
  // found here, since toml11 3.7 leaves its buffer when it tells where text is not UTF-8
  if (const int line = line_not_utf8(text)) fail(file, "line {}: expected text in UTF-8", line);
  std::istringstream in(text);
  try {
    return to_json(file, toml::parse<toml::discard_comments, std::map>(in, file));
  } catch (const toml::exception& error) {
    fail(file, "line {}: expected TOML, such as lr = 0.1 or model = \"resnet20\", got: {}: {}",
         error.location().line(), error.location().line_str(), reason(error));
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
    if (value == "") continue;
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
