#include "train/settings.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <type_traits>

#include "core/check.h"
#include "core/text.h"

namespace resgrad {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMostChoicesShown = 12;
constexpr std::size_t kLongestChoicesInPlace = 22;

template <class T>
constexpr bool kIsInteger = std::is_integral_v<T> && !std::is_same_v<T, bool>;
template <class T>
constexpr bool kIsNumber = std::is_same_v<T, double> || std::is_same_v<T, std::optional<double>>;
template <class T>
constexpr bool kIsList = false;
template <class T>
constexpr bool kIsList<std::vector<T>> = true;

// The names that a text may be; none: any.
std::vector<std::string> choices(const Setting& setting) {
  const auto* names = std::get_if<Choices>(&setting.limits);
  return names != nullptr && *names != nullptr ? (*names)() : std::vector<std::string>();
}

// ---- what is expected, in words

template <class T>
std::string expected_item(const Setting& setting) {
  if constexpr (std::is_same_v<T, bool>) {
    return "true or false";
  } else if constexpr (kIsInteger<T>) {
    const auto* range = std::get_if<IntegerRange>(&setting.limits);
    const T low = range != nullptr ? static_cast<T>(range->low) : T{0};
    const T high = range != nullptr && std::cmp_less(range->high, std::numeric_limits<T>::max())
                       ? static_cast<T>(range->high)
                       : std::numeric_limits<T>::max();
    return fmt::format("an integer of {} to {}", low, high);
  } else if constexpr (kIsNumber<T>) {
    const auto* range = std::get_if<NumberRange>(&setting.limits);
    return range != nullptr ? std::string(range->expected) : "a finite number";
  } else {
    const std::vector<std::string> names = choices(setting);
    if (names.size() == 1) return names[0];
    return names.empty() ? "text" : fmt::format("one of {}", fmt::join(names, ", "));
  }
}

template <class T>
std::string expected_value(const Setting& setting) {
  if constexpr (kIsList<T>) {
    return "each to be " + expected_item<typename T::value_type>(setting);
  } else {
    return expected_item<T>(setting);
  }
}

[[noreturn]] void fail(const std::string& expected, const std::string& got) {
  throw ValueError(fmt::format("expected {}, got {}", expected, got));
}

// ---- one word

template <class T>
bool read_number(const std::string& word, T& value) {
  const auto number = number_in<T>(word);
  value = number.value_or(T{});
  return number.has_value();
}

bool read(const Setting&, const std::string& word, bool& value) {
  value = word == "true";
  return value || word == "false";
}

template <class T>
requires kIsInteger<T>
bool read(const Setting& setting, const std::string& word, T& value) {
  if (!read_number(word, value)) return false;
  const auto* range = std::get_if<IntegerRange>(&setting.limits);
  const IntegerRange limits = range != nullptr ? *range : IntegerRange{};
  if constexpr (std::is_unsigned_v<T>) {
    return range == nullptr ||
           (std::cmp_greater_equal(value, limits.low) && std::cmp_less_equal(value, limits.high));
  } else {
    return value >= limits.low && value <= limits.high;
  }
}

bool read(const Setting& setting, const std::string& word, double& value) {
  if (!read_number(word, value) || !std::isfinite(value)) return false;
  const auto* range = std::get_if<NumberRange>(&setting.limits);
  return range == nullptr || range->fits(value);
}

bool read(const Setting& setting, const std::string& word, std::optional<double>& value) {
  return read(setting, word, value.emplace());
}

bool read(const Setting& setting, const std::string& word, std::string& value) {
  value = word;
  const std::vector<std::string> names = choices(setting);
  return names.empty() ? !word.empty() : std::ranges::find(names, word) != names.end();
}

// ---- all words

std::string quoted(const std::string& word) {
  return word.empty() ? "\"\"" : word;
}

template <class T>
T read_all(const Setting& setting, const std::vector<std::string>& words) {
  T value{};
  if constexpr (kIsList<T>) {
    for (const std::string& word : words) {
      const auto parts =
          setting.positional ? std::vector{std::string_view(word)} : split(word, ',');
      for (const std::string_view view : parts) {
        const std::string part(view);
        typename T::value_type item{};
        if (!read(setting, part, item)) fail(expected_value<T>(setting), quoted(part));
        value.push_back(item);
      }
    }
  } else {
    if (words.size() != 1) {
      fail("one value", fmt::format("{}: {}", words.size(), fmt::join(words, ", ")));
    }
    if (!read(setting, words[0], value)) fail(expected_value<T>(setting), quoted(words[0]));
  }
  return value;
}

template <class T>
bool is_of_type(const Json& json) {
  if constexpr (kIsList<T>) {
    return json.is_string() ||
           (json.is_array() && std::ranges::all_of(json, is_of_type<typename T::value_type>));
  } else if constexpr (std::is_same_v<T, bool>) {
    return json.is_boolean();
  } else if constexpr (std::is_same_v<T, std::string>) {
    return json.is_string();
  } else {
    return json.is_number();
  }
}

template <class T>
std::string to_text(const T& value) {
  if constexpr (kIsList<T>) {
    return fmt::format("{}", fmt::join(value, ","));
  } else if constexpr (std::is_same_v<T, std::optional<double>>) {
    return value ? fmt::format("{}", *value) : "";
  } else if constexpr (std::is_same_v<T, bool>) {
    return value ? "true" : "";
  } else {
    return fmt::format("{}", value);
  }
}

std::string word_of(const Json& json) {
  return json.is_string() ? json.get<std::string>() : json.dump();
}

// As a command line has it: on or off, a number, or words with commas between them.
Json as_text(const Json& json) {
  if (json.is_boolean()) return json.get<bool>() ? "on" : "off";
  if (json.is_number()) return json.dump();
  const auto is_word = [](const Json& item) { return item.is_number() || item.is_string(); };
  if (!json.is_array() || !std::ranges::all_of(json, is_word)) return json;
  std::vector<std::string> words;
  std::ranges::transform(json, std::back_inserter(words), word_of);
  return fmt::format("{}", fmt::join(words, ","));
}

}  // namespace

std::string_view title(Group group) {
  constexpr std::array<std::string_view, kGroups> kTitles = {
      "Network", "Data", "Optimisation", "Schedule", "Run", "Output", "Machine"};
  return kTitles[static_cast<std::size_t>(group)];
}

void append(Settings& settings, const Settings& rows) {
  settings.insert(settings.end(), rows.begin(), rows.end());
}

Setting* find(Settings& settings, std::string_view name) {
  std::string wanted(name);
  std::ranges::replace(wanted, '_', '-');
  const auto found = std::ranges::find(settings, wanted, &Setting::name);
  return found == settings.end() ? nullptr : &*found;
}

Settings without(Settings settings, const std::vector<std::string_view>& names) {
  std::erase_if(settings, [&](const Setting& setting) {
    return std::ranges::find(names, setting.name) != names.end();
  });
  return settings;
}

void assign(Setting& setting, const std::vector<std::string>& words) {
  std::visit(
      [&]<class T>(T* value) {
        *value = read_all<T>(setting, words);
        setting.given = setting.from_flag = true;
      },
      setting.value);
}

bool is_empty_text(const Json& json) {
  return json.is_string() && json.get_ref<const std::string&>().empty();
}

void assign(Setting& setting, const Json& given) {
  const Json json = setting.of_any_type ? as_text(given) : given;
  if (auto* const* value = std::get_if<std::optional<double>*>(&setting.value);
      value != nullptr && json.is_null()) {
    **value = std::nullopt;  // as json_value() writes it
    return;
  }
  std::visit(
      [&]<class T>(T*) {
        if (!is_of_type<T>(json)) {
          fail(kIsList<T> ? "a list, " + expected_value<T>(setting) : expected_value<T>(setting),
               json.dump());
        }
      },
      setting.value);
  std::vector<std::string> words;
  if (!json.is_array()) words.push_back(word_of(json));
  if (json.is_array()) std::ranges::transform(json, std::back_inserter(words), word_of);
  assign(setting, words);
  setting.from_flag = false;
}

bool is_switch(const Setting& setting) {
  return std::holds_alternative<bool*>(setting.value);
}

bool is_list(const Setting& setting) {
  return std::visit([]<class T>(T*) { return kIsList<T>; }, setting.value);
}

std::string json_key(const Setting& setting) {
  std::string key(setting.name);
  std::ranges::replace(key, '-', '_');
  return key;
}

Json json_value(const Setting& setting) {
  return std::visit(
      []<class T>(const T* value) -> Json {
        if constexpr (std::is_same_v<T, std::optional<double>>) {
          return *value ? Json(**value) : Json();
        } else {
          return *value;
        }
      },
      setting.value);
}

std::string value_text(const Setting& setting) {
  if (is_switch(setting)) return "";
  if (!setting.placeholder.empty()) return std::string(setting.placeholder);
  std::string names = fmt::format("{}", fmt::join(choices(setting), "|"));
  if (!names.empty() && names.size() <= kLongestChoicesInPlace && !is_list(setting)) return names;
  return std::visit(
      []<class T>(T*) -> std::string {
        if constexpr (std::is_same_v<T, std::vector<std::int64_t>>) return "N,N,...";
        if constexpr (std::is_same_v<T, std::vector<std::string>>) return "NAME,NAME,...";
        if constexpr (kIsInteger<T>) return "N";
        if constexpr (kIsNumber<T>) return "X";
        return "NAME";
      },
      setting.value);
}

std::string help_text(const Setting& setting) {
  std::string text(setting.help);
  const std::vector<std::string> names = choices(setting);
  if (!names.empty() && names.size() <= kMostChoicesShown && setting.placeholder.empty() &&
      value_text(setting) != fmt::format("{}", fmt::join(names, "|"))) {
    text += fmt::format(": {}", fmt::join(names, ", "));
  }
  if (!setting.only_with.text.empty()) text += fmt::format(" ({})", setting.only_with.text);
  const std::string by_default =
      setting.default_text.empty()
          ? std::visit([](const auto* value) { return to_text(*value); }, setting.value)
          : std::string(setting.default_text);
  if (setting.required) return text + " [required]";
  return by_default.empty() ? text : text + fmt::format(" [default: {}]", by_default);
}

}  // namespace resgrad
