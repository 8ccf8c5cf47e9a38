#include "train/cli/variants.h"

#include <algorithm>
#include <array>
#include <set>

#include "core/check.h"
#include "train/cli/flags.h"
#include "train/cli/train_flags.h"

namespace resgrad::cli {
namespace {

// The same for all runs of a comparison, or its own business.
constexpr std::array<std::string_view, 5> kNotVaried = {"dataset", "data-path", "val-split", "seed",
                                                        "output-dir"};

struct Varied {
  std::string setting;
  std::vector<std::string> values;
  bool named;  // by the setting and the value, not by the value alone
};

std::vector<Varied> parse(const std::vector<std::string>& orders,
                          const std::vector<std::string>& vary) {
  std::vector<Varied> all;
  if (!orders.empty()) all.push_back({"activation", orders, false});
  const std::size_t before = all.size();
  for (const std::string& word : vary) {
    const std::size_t equals = word.find('=');
    if (equals != std::string::npos) {
      all.push_back({word.substr(0, equals), {word.substr(equals + 1)}, true});
    } else {
      require<ValueError>(all.size() > before, "expected SETTING=A,B,..., got {}", word);
      all.back().values.push_back(word);
    }
  }
  std::set<std::string> settings;
  for (const Varied& varied : all) {
    require<ValueError>(settings.insert(varied.setting).second,
                        "{}: expected each setting once, got it twice", varied.setting);
  }
  return all;
}

void set(Settings& rows, const std::string& name, const std::string& value) {
  Setting* row = find(rows, name);
  require<ValueError>(row != nullptr, "{}: expected a setting of train, got an unknown one", name);
  require<ValueError>(row->scope != Scope::start && !is_list(*row) &&
                          std::ranges::find(kNotVaried, row->name) == kNotVaried.end(),
                      "{}: expected a setting with one value that may differ between the runs of a "
                      "comparison",
                      name);
  try {
    assign(*row, std::vector<std::string>{value});
  } catch (const ValueError& error) {
    throw ValueError(fmt::format("{}: {}", name, error.what()));
  }
}

}  // namespace

std::vector<Variant> make_variants(const RunOptions& base, Settings given,
                                   const std::vector<std::string>& orders,
                                   const std::vector<std::string>& vary) {
  const std::vector<Varied> all = parse(orders, vary);
  std::size_t count = 1;
  for (const Varied& varied : all) count *= varied.values.size();
  std::vector<Variant> variants;
  std::set<std::string> names;
  for (std::size_t i = 0; i < count; ++i) {
    Variant variant{.name = "", .options = base};
    Settings rows = settings(variant.options, network_words());
    for (Setting& row : rows) {
      const Setting* before = find(given, row.name);
      row.given = before != nullptr && before->given;
    }
    std::size_t place = i, rest = count;  // the last varies fastest
    for (const Varied& varied : all) {
      rest /= varied.values.size();
      const std::string& value = varied.values[place / rest];
      place %= rest;
      set(rows, varied.setting, value);
      variant.name +=
          (variant.name.empty() ? "" : "_") + (varied.named ? varied.setting + '=' + value : value);
    }
    set_optimizer_defaults(rows, variant.options);
    constexpr const char* kPlain =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._=+-";
    require<ValueError>(variant.name.find_first_not_of(kPlain) == std::string::npos,
                        "expected values of letters, digits and ._+-, which name folders, got {}",
                        variant.name);
    require<ValueError>(names.insert(variant.name).second,
                        "expected each variant once, got {} twice", variant.name);
    variants.push_back(std::move(variant));
  }
  return variants;
}

}  // namespace resgrad::cli
