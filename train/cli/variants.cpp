#include "train/cli/variants.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <set>
#include <utility>
#include <variant>

#include "core/check.h"
#include "train/cli/flags.h"
#include "train/cli/network.h"
#include "train/cli/train_flags.h"
#include "train/run_record.h"

namespace resgrad::cli {
namespace {

using Json = nlohmann::ordered_json;

// The business of the comparison as a whole.
constexpr std::array<std::string_view, 2> kOfAll = {"seed", "output-dir"};
// Of the data, which are loaded once for all runs.
constexpr std::array<std::string_view, 6> kOfTheData = {
    "dataset", "data-path", "val-split", "image-size", "skip-damaged", "no-exif-transpose"};

// A value as the command line or a file has it.
using Value = std::variant<std::vector<std::string>, Json>;

struct Choice {
  std::string name;    // in that of the variant
  std::string source;  // in messages
  std::vector<std::pair<std::string, Value>> settings;
};

// A variant takes one choice of each dimension.
using Dimension = std::vector<Choice>;

Dimension choices(const std::vector<VariantFile>& files) {
  Dimension all;
  for (const VariantFile& file : files) {
    const std::string name = std::filesystem::path(file.path).stem().string();
    const auto same = std::ranges::find(all, name, &Choice::name);
    require<ValueError>(same == all.end(),
                        "expected files of different names, which name the variants, got {} and {}",
                        same == all.end() ? "" : same->source, file.path);
    all.push_back({name, file.path, {}});
    for (const auto& [setting, value] : file.settings.items()) {
      all.back().settings.emplace_back(setting, value);
    }
  }
  return all;
}

std::vector<Dimension> dimensions(const std::vector<VariantFile>& files,
                                  const std::vector<std::string>& orders,
                                  const std::vector<std::string>& vary) {
  std::vector<Dimension> all;
  if (!files.empty()) all.push_back(choices(files));
  if (!orders.empty()) all.emplace_back();
  const auto add = [&all](const std::string& name, const char* source, const std::string& setting,
                          const std::string& value) {
    all.back().push_back({name, source, {{setting, std::vector<std::string>{value}}}});
  };
  for (const std::string& order : orders) add(order, "--variants", "activation", order);
  std::string setting;
  for (const std::string& word : vary) {
    const std::size_t equals = word.find('=');
    if (equals != std::string::npos) {
      setting = word.substr(0, equals);
      all.emplace_back();
    }
    require<ValueError>(!setting.empty(), "--vary: expected SETTING=A,B,..., got {}", word);
    const std::string value = equals == std::string::npos ? word : word.substr(equals + 1);
    add(setting + '=' + value, "--vary", setting, value);
  }
  return all;
}

void require_once(const std::vector<Dimension>& all) {
  std::map<std::string, const Dimension*> where;
  for (const Dimension& dimension : all) {
    for (const Choice& choice : dimension) {
      for (auto [name, value] : choice.settings) {
        std::ranges::replace(name, '_', '-');
        require<ValueError>(where.try_emplace(name, &dimension).first->second == &dimension,
                            "{}: {}: expected each setting once, got it twice", choice.source,
                            name);
      }
    }
  }
}

void set(Settings& rows, const Choice& choice, const std::string& name, const Value& value) {
  const auto check = [&](bool holds, std::string_view expected) {
    require<ValueError>(holds, "{}: {}: expected {}", choice.source, name, expected);
  };
  const bool in_file = std::holds_alternative<Json>(value);
  Setting* row = find(rows, name);
  check(row != nullptr, "a setting of train, got an unknown one");
  check(row->scope != Scope::start && std::ranges::find(kOfAll, row->name) == kOfAll.end(),
        "a setting that may differ between the runs of a comparison, got one for all of them");
  check(in_file || !is_list(*row), "a setting with one value, got one with a list");
  if (in_file && row->from_flag) return;
  try {
    std::visit([row](const auto& v) { assign(*row, v); }, value);
  } catch (const ValueError& error) {
    throw ValueError(fmt::format("{}: {}: {}", choice.source, name, error.what()));
  }
}

void check_name(const std::string& name) {
  constexpr const char* kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._=+-";
  require<ValueError>(name.find_first_not_of(kPlain) == std::string::npos && !name.starts_with('.'),
                      "expected variants of letters, digits and ._+-, which name folders, got {}",
                      name);
  require<ValueError>(!name.starts_with("previous-"),
                      "expected names other than previous-..., which are those of earlier "
                      "comparisons, got {}",
                      name);
}

void require_different(std::vector<Variant>& variants) {
  std::map<std::string, std::string> by_settings;
  for (Variant& variant : variants) {
    const auto [same, is_new] = by_settings.try_emplace(to_json(variant.options), variant.name);
    require<ValueError>(is_new,
                        "expected variants that differ, got the same settings for {} and {}",
                        same->second, variant.name);
  }
  Settings first = settings(variants.front().options);
  for (Variant& variant : variants) {
    Settings rows = settings(variant.options);
    for (const std::string_view name : kOfTheData) {
      const Json here = json_value(*find(rows, name)), there = json_value(*find(first, name));
      require<ValueError>(here == there,
                          "{}: expected the same data for all variants, got {} for {} and {} for "
                          "{}",
                          name, there.dump(), variants.front().name, here.dump(), variant.name);
    }
  }
}

}  // namespace

std::vector<Variant> make_variants(const RunOptions& base, Settings given,
                                   const std::vector<VariantFile>& files,
                                   const std::vector<std::string>& orders,
                                   const std::vector<std::string>& vary) {
  const std::vector<Dimension> all = dimensions(files, orders, vary);
  require_once(all);
  std::size_t count = 1;
  for (const Dimension& dimension : all) count *= dimension.size();
  std::vector<Variant> variants;
  std::set<std::string> names;
  for (std::size_t i = 0; i < count; ++i) {
    Variant variant{.name = "", .options = base};
    Settings rows = settings(variant.options, network_words());
    for (Setting& row : rows) {
      const Setting* before = find(given, row.name);
      row.given = before != nullptr && before->given;
      row.from_flag = before != nullptr && before->from_flag;
    }
    std::size_t place = i, rest = count;  // the last varies fastest
    for (const Dimension& dimension : all) {
      rest /= dimension.size();
      const Choice& choice = dimension[place / rest];
      place %= rest;
      for (const auto& [name, value] : choice.settings) set(rows, choice, name, value);
      variant.name += (variant.name.empty() ? "" : "_") + choice.name;
    }
    set_optimizer_defaults(rows, variant.options);
    if (!variant.options.weights.empty()) {
      take_network(variant.options, read_network(variant.options.weights).info, rows);
    }
    check_name(variant.name);
    require<ValueError>(names.insert(variant.name).second,
                        "expected each variant once, got {} twice", variant.name);
    variants.push_back(std::move(variant));
  }
  require_different(variants);
  return variants;
}

void take_data(RunOptions& base, RunOptions variant) {
  Settings to = settings(base), from = settings(variant);
  for (const std::string_view name : kOfTheData) {
    const Json value = json_value(*find(from, name));
    if (!is_empty_text(value)) assign(*find(to, name), value);
  }
}

}  // namespace resgrad::cli
