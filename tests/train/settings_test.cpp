#include "train/settings.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "core/check.h"

using namespace resgrad;
using Json = nlohmann::ordered_json;

namespace {

// What the message of the error is when `word` is given; nothing when it is taken.
template <class Given>
std::string refusal(Setting& setting, const Given& given) {
  try {
    assign(setting, given);
  } catch (const ValueError& error) {
    return error.what();
  }
  return "";
}

std::string refusal(Setting& setting, const char* word) {
  return refusal(setting, std::vector<std::string>{word});
}

std::vector<std::string> orders() {
  return {"pre", "post"};
}

std::vector<std::string> stop_or_skip() {
  return {"stop", "skip"};
}

}  // namespace

TEST_CASE("integers are decimal, within their limits") {
  std::int64_t value = 7;
  Setting setting{.name = "n", .group = Group::run, .help = "", .value = &value};
  for (const auto& pair :
       {std::pair("010", 10L), {"08", 8L}, {"0", 0L}, {"9223372036854775807", INT64_MAX}}) {
    CAPTURE(pair.first);
    CHECK(refusal(setting, pair.first).empty());
    CHECK(value == pair.second);
  }
  value = 7;
  for (const char* word : {"", " 1", "1 ", "+1", "1.0", "1e3", "0x10", "1_000", "nan", "-1", "ten",
                           "9223372036854775808", "99999999999999999999999"}) {
    CAPTURE(word);
    CHECK(refusal(setting, word) == fmt::format("expected an integer of 0 to 9223372036854775807, "
                                                "got {}",
                                                *word == '\0' ? "\"\"" : word));
    CHECK(value == 7);
  }
  setting.limits = IntegerRange{-2, 5};
  CHECK(refusal(setting, "-2").empty());
  CHECK(refusal(setting, "-3") == "expected an integer of -2 to 5, got -3");
  CHECK(refusal(setting, "6") == "expected an integer of -2 to 5, got 6");
}

TEST_CASE("integers of other types do not wrap either") {
  int small = 3;
  std::uint64_t large = 3;
  Setting of_int{.name = "n", .group = Group::run, .help = "", .value = &small};
  Setting of_seed{.name = "seed", .group = Group::run, .help = "", .value = &large};
  CHECK(refusal(of_int, "2147483647").empty());
  CHECK(small == 2147483647);
  CHECK(refusal(of_int, "2147483648") == "expected an integer of 0 to 2147483647, got 2147483648");
  CHECK(refusal(of_int, "4294967296") == "expected an integer of 0 to 2147483647, got 4294967296");
  CHECK(refusal(of_seed, "18446744073709551615").empty());
  CHECK(large == 18446744073709551615u);
  for (const char* word : {"-1", "18446744073709551616", "", "-0"}) {
    CAPTURE(word);
    CHECK(refusal(of_seed, word)
              .starts_with("expected an integer of 0 to 18446744073709551615, got "));
  }
}

TEST_CASE("numbers are finite and decimal, within their limits") {
  double value = 7;
  Setting setting{.name = "x", .group = Group::run, .help = "", .value = &value};
  for (const auto& pair : {std::pair("010.5", 10.5), {"1e-3", 1e-3}, {"-2", -2.}}) {
    CAPTURE(pair.first);
    CHECK(refusal(setting, pair.first).empty());
    CHECK(value == pair.second);
  }
  for (const char* word : {"", "nan", "-nan", "inf", "1e999", "0x1p3", "1,5", " 1", "one"}) {
    CAPTURE(word);
    CHECK(refusal(setting, word).starts_with("expected a finite number, got "));
  }
  CHECK(value == -2);
  setting.limits = kAboveZero;
  CHECK(refusal(setting, "0") == "expected a finite number above 0, got 0");
  CHECK(refusal(setting, "nan") == "expected a finite number above 0, got nan");
  setting.limits = kShare;
  CHECK(refusal(setting, "1").empty());
  CHECK(refusal(setting, "1.1") == "expected a number of 0 to 1, got 1.1");
  setting.limits = kShareBelowOne;
  CHECK(refusal(setting, "1") == "expected a number of at least 0 and below 1, got 1");

  std::optional<double> maybe;
  Setting optional{.name = "y", .group = Group::run, .help = "", .value = &maybe};
  CHECK(json_value(optional).is_null());
  CHECK_FALSE(refusal(optional, "nan").empty());
  CHECK_FALSE(maybe);
  CHECK(refusal(optional, "0.5").empty());
  CHECK(maybe == 0.5);
  assign(optional, Json());
  CHECK_FALSE(maybe);
}

TEST_CASE("text is one of the choices, and not empty") {
  std::string value = "a";
  Setting setting{.name = "t", .group = Group::run, .help = "", .value = &value};
  CHECK(refusal(setting, "any thing").empty());
  CHECK(refusal(setting, "") == "expected text, got \"\"");
  setting.limits = stop_or_skip;
  CHECK(refusal(setting, "skip").empty());
  CHECK(refusal(setting, "Stop") == "expected one of stop, skip, got Stop");
  CHECK(value == "skip");
}

TEST_CASE("lists take words and commas, each item as alone") {
  std::vector<std::int64_t> value = {1};
  Setting setting{.name = "l", .group = Group::run, .help = "", .value = &value};
  CHECK(is_list(setting));
  assign(setting, std::vector<std::string>{"010,020", "3"});
  CHECK(value == std::vector<std::int64_t>{10, 20, 3});
  for (const char* words : {"", "1,", ",1", "1,,2", "1, 2", "1,x"}) {
    CAPTURE(words);
    CHECK(refusal(setting, words).starts_with("expected each to be an integer of 0 to "));
  }
  CHECK(value.size() == 3);
  std::vector<std::string> names;
  Setting text{.name = "v", .group = Group::run, .help = "", .value = &names, .limits = orders};
  assign(text, std::vector<std::string>{"pre,post"});
  CHECK(names == std::vector<std::string>{"pre", "post"});
  CHECK(refusal(text, "pre,last") == "expected each to be one of pre, post, got last");
}

TEST_CASE("positional words keep their commas, and it is known what came as a flag") {
  std::vector<std::string> files;
  Setting setting{.name = "files", .group = Group::run, .help = "", .value = &files};
  setting.positional = true;
  CHECK_FALSE(setting.from_flag);
  assign(setting, std::vector<std::string>{"a,b.png", "c.png"});
  CHECK(files == std::vector<std::string>{"a,b.png", "c.png"});
  CHECK(setting.from_flag);
  assign(setting, Json{"d,e.png"});
  CHECK(files == std::vector<std::string>{"d,e.png"});
  CHECK(setting.given);
  CHECK_FALSE(setting.from_flag);
}

TEST_CASE("values from JSON have the type of the setting") {
  std::int64_t n = 0;
  double x = 0;
  bool on = false;
  std::string text;
  std::vector<std::int64_t> list;
  Setting integer{.name = "n", .group = Group::run, .help = "", .value = &n};
  Setting number{.name = "x", .group = Group::run, .help = "", .value = &x};
  Setting of_bool{.name = "on", .group = Group::run, .help = "", .value = &on};
  Setting of_text{.name = "text", .group = Group::run, .help = "", .value = &text};
  Setting of_list{.name = "list", .group = Group::run, .help = "", .value = &list};
  assign(integer, Json(5));
  assign(number, Json(0.1));
  assign(of_bool, Json(true));
  assign(of_text, Json("5"));
  assign(of_list, Json{1, 2});
  CHECK(n == 5);
  CHECK(x == 0.1);
  CHECK(on);
  CHECK(text == "5");
  CHECK(list == std::vector<std::int64_t>{1, 2});
  CHECK(integer.given);
  for (const Setting& setting : {integer, number, of_bool, of_text, of_list}) {
    Setting again = setting;
    assign(again, json_value(setting));
  }
  CHECK(refusal(integer, Json("5")) ==
        "expected an integer of 0 to 9223372036854775807, got \"5\"");
  CHECK(refusal(integer, Json(1.5)).ends_with("got 1.5"));
  CHECK(refusal(integer, Json(true)).ends_with("got true"));
  CHECK(refusal(integer, Json::array({1, 2})).ends_with("got [1,2]"));
  CHECK(refusal(number, Json()).ends_with("got null"));
  CHECK(refusal(of_bool, Json(1)) == "expected true or false, got 1");
  CHECK(refusal(of_text, Json(5)) == "expected text, got 5");
  CHECK(refusal(of_list, Json{1, "b"}).ends_with("got [1,\"b\"]"));
  CHECK(refusal(of_list, Json(1)).starts_with("expected a list, each to be an integer"));
  CHECK(n == 5);
}

TEST_CASE("a file may write a field of the network and a list in the way that is natural for it") {
  std::string blocks;
  Setting field = {.name = "f", .group = Group::run, .help = "h", .value = &blocks};
  field.of_any_type = true;
  for (const auto& [json, text] :
       std::vector<std::pair<nlohmann::ordered_json, std::string>>{{8, "8"},
                                                                   {0.1, "0.1"},
                                                                   {true, "on"},
                                                                   {false, "off"},
                                                                   {{1, 2, 3}, "1,2,3"},
                                                                   {"1,2", "1,2"}}) {
    assign(field, json);
    CHECK(blocks == text);
  }
  CHECK(refusal(field, nlohmann::ordered_json::array()) == "expected text, got \"\"");
  CHECK(refusal(field, nlohmann::ordered_json::object()) == "expected text, got {}");
  std::vector<std::string> parts;
  Setting list = {.name = "l", .group = Group::run, .help = "h", .value = &parts};
  assign(list, nlohmann::ordered_json("stem,stage1"));
  CHECK(parts == std::vector<std::string>{"stem", "stage1"});
}

TEST_CASE("help says what a setting takes and what it is without") {
  double momentum = 0.9;
  std::string order = "stop", folder;
  bool quiet = false;
  std::vector<std::int64_t> drops = {100, 150};
  const Setting number{.name = "momentum",
                       .group = Group::run,
                       .help = "momentum of SGD",
                       .value = &momentum,
                       .only_with = {"with --optimizer sgd"}};
  CHECK(value_text(number) == "X");
  CHECK(help_text(number) == "momentum of SGD (with --optimizer sgd) [default: 0.9]");
  Setting choice{.name = "on",
                 .group = Group::run,
                 .help = "what then",
                 .value = &order,
                 .limits = stop_or_skip};
  CHECK(value_text(choice) == "stop|skip");
  CHECK(help_text(choice) == "what then [default: stop]");
  choice.limits = +[] { return std::vector<std::string>{"constant", "multistep", "cosine"}; };
  CHECK(value_text(choice) == "NAME");
  CHECK(help_text(choice) == "what then: constant, multistep, cosine [default: stop]");
  const Setting path{.name = "output",
                     .group = Group::output,
                     .help = "file to write",
                     .value = &folder,
                     .placeholder = "FILE",
                     .required = true};
  CHECK(value_text(path) == "FILE");
  CHECK(help_text(path) == "file to write [required]");
  const Setting flag{.name = "quiet", .group = Group::output, .help = "say less", .value = &quiet};
  CHECK(is_switch(flag));
  CHECK(value_text(flag).empty());
  CHECK(help_text(flag) == "say less");
  const Setting list{.name = "drops", .group = Group::run, .help = "when", .value = &drops};
  CHECK(value_text(list) == "N,N,...");
  CHECK(help_text(list) == "when [default: 100,150]");
}

TEST_CASE("rows are found by their names, with either dash") {
  int a = 0, b = 0;
  Settings rows = {{.name = "print-freq", .group = Group::run, .help = "", .value = &a}};
  append(rows, {{.name = "keep", .group = Group::run, .help = "", .value = &b}});
  CHECK(find(rows, "print-freq") == rows.data());
  CHECK(find(rows, "print_freq") == rows.data());
  CHECK(find(rows, "print") == nullptr);
  CHECK(json_key(rows[0]) == "print_freq");
  CHECK(without(rows, {"print-freq"}).size() == 1);
  CHECK(title(Group::machine) == "Machine");
}
