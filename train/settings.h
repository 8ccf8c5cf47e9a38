// Settings: each is declared once, as a row of a table bound to the variable that it sets. Flags,
// --help, files of settings, args.json and the comparison on resumption are all derived from rows.
// Knows neither a command line nor the meaning of any setting.
#pragma once

#include <cstdint>
#include <limits>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace resgrad {

/// The heading of a setting in --help, in that order.
enum class Group { network, data, optimisation, schedule, run, output, machine };
constexpr int kGroups = 7;
std::string_view title(Group group);

/// What depends on a setting.
enum class Scope {
  result,  ///< what is computed: recorded, and the same in a run that is resumed
  run,     ///< where, how fast and how talkative the program works: recorded, may change
  start    ///< this start of the program alone: not recorded
};

struct IntegerRange {
  std::int64_t low = 0;
  std::int64_t high = std::numeric_limits<std::int64_t>::max();
};

struct NumberRange {
  std::string_view expected;  ///< for messages: "a number of 0 to 1"
  bool (*fits)(double);       ///< of a finite number
};
constexpr NumberRange kAboveZero{"a finite number above 0", [](double x) { return x > 0; }};
constexpr NumberRange kAtLeastZero{"a finite number of at least 0",
                                   [](double x) { return x >= 0; }};
constexpr NumberRange kShare{"a number of 0 to 1", [](double x) { return x >= 0 && x <= 1; }};
constexpr NumberRange kShareBelowOne{"a number of at least 0 and below 1",
                                     [](double x) { return x >= 0 && x < 1; }};

/// Gives the names that a text may be.
using Choices = std::vector<std::string> (*)();

/// Without it a setting has no effect.
struct Condition {
  std::string_view text = {};  ///< "with --lr-scheduler multistep", "without --no-augment"
  bool holds = true;
};

struct Setting {
  std::string_view name;  ///< of the flag, without the dashes in front
  Group group;
  std::string_view help;  ///< what it is, with its unit, as the start of a sentence
  /// What is set; its value when the row is made is the default. Integers are decimal.
  std::variant<bool*, int*, std::int64_t*, std::uint64_t*, double*, std::optional<double>*,
               std::string*, std::vector<std::int64_t>*, std::vector<std::string>*>
      value;
  /// Integers: 0 and above where there is none; numbers: all finite ones; text: any but the empty.
  std::variant<std::monostate, IntegerRange, NumberRange, Choices> limits = {};
  std::string_view default_text = {};  ///< the default in words, where it depends on other settings
  Condition only_with = {};
  Scope scope = Scope::result;
  std::string_view also = {};         ///< another name of the flag, with its dashes: "-b"
  std::string_view placeholder = {};  ///< of the value in --help; by the type where there is none
  bool required = false;
  /// Text that a file may also give as a number, as true or false for on and off, or as a list.
  bool of_any_type = false;
  bool positional = false;  ///< words without a flag in front of them, with commas of their own
  bool given = false;       ///< set by assign()
  bool from_flag = false;   ///< given, and last by words of a command line
};

using Settings = std::vector<Setting>;

/// `rows` at the end of `settings`.
void append(Settings& settings, const Settings& rows);

/// The row of that name, also with `_` for `-`, or null.
Setting* find(Settings& settings, std::string_view name);

/// Leaves out the rows of these names.
Settings without(Settings settings, const std::vector<std::string_view>& names);

/// Sets the value from the words of a command line; words of lists are split at their commas,
/// unless they are positional.
/// Throws  ValueError "expected <what>, got <words>" when they do not fit, and sets nothing.
void assign(Setting& setting, const std::vector<std::string>& words);

/// Sets the value from JSON of the same type: true or false, number, text, or a list, which may
/// also be text with commas. Null is no number, where there may be none.
/// Throws  ValueError as above.
void assign(Setting& setting, const nlohmann::ordered_json& given);

/// Whether JSON is "", which in files of settings stands for what is not given.
bool is_empty_text(const nlohmann::ordered_json& json);

/// Whether a word stands for no value of its own, as in --quiet.
bool is_switch(const Setting& setting);
bool is_list(const Setting& setting);

/// Its name in JSON: with `_` for `-`.
std::string json_key(const Setting& setting);
nlohmann::ordered_json json_value(const Setting& setting);

/// For --help: the place of the value, such as post|pre or N; nothing for a switch.
std::string value_text(const Setting& setting);
/// For --help: the sentence, then choices, condition and default.
std::string help_text(const Setting& setting);

}  // namespace resgrad
