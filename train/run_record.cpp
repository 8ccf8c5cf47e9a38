#include "train/run_record.h"

#include <nlohmann/json.hpp>

#include "core/check.h"
#include "train/io/nesting.h"
#include "train/version.h"

namespace resgrad {
namespace {

using Json = nlohmann::ordered_json;

template <class Wanted>
Json record(RunOptions options, Wanted&& wanted) {
  Json json;
  for (const Setting& setting : settings(options)) {
    if (wanted(setting.scope)) json[json_key(setting)] = json_value(setting);
  }
  return json;
}

}  // namespace

std::string to_json(const RunOptions& options) {
  Json json = {{"version", kVersion}};
  json.update(record(options, [](Scope scope) { return scope != Scope::start; }));
  RunOptions copy = options;
  for (const Setting& setting : settings(copy)) {
    const Json value = json_value(setting);
    try {
      value.dump();
    } catch (const Json::type_error&) {
      throw ValueError(fmt::format(
          "settings: {}: expected text in UTF-8, as the record of the settings is, got {}",
          setting.name, value.dump(-1, ' ', false, Json::error_handler_t::replace)));
    }
  }
  return json.dump(2) + "\n";
}

std::string result_settings(const RunOptions& options) {
  return record(options, [](Scope scope) { return scope == Scope::result; }).dump();
}

RunOptions from_json(const std::string& text) {
  RunOptions options;
  require<ValueError>(!is_nested_too_deeply(text),
                      "settings: expected values nested at most {} deep, got more", kMostNested);
  Json json;
  try {
    json = Json::parse(text);
  } catch (const Json::exception& error) {
    const std::string_view reason = error.what();  // "[json.exception.parse_error.101] ..."
    throw ValueError(fmt::format("settings: expected a JSON object, got: {}",
                                 reason.substr(reason.find("] ") + 2)));
  }
  require<ValueError>(json.is_object(), "settings: expected a JSON object, got {}",
                      json.type_name());
  for (Setting& setting : settings(options)) {
    const auto found = json.find(json_key(setting));
    if (found == json.end() || is_empty_text(*found)) continue;
    try {
      assign(setting, *found);
    } catch (const ValueError& error) {
      throw ValueError(fmt::format("settings: {}: {}", setting.name, error.what()));
    }
  }
  return options;
}

}  // namespace resgrad
