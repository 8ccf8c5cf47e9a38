#include "models/wrapped_names.h"

#include <map>
#include <string_view>

#include "core/check.h"
#include "core/text.h"

namespace resgrad::models {
namespace {

std::string unwrapped(std::string_view name) {
  for (const std::string_view prefix : {"module.", "_orig_mod."}) {
    if (name.starts_with(prefix)) return unwrapped(name.substr(prefix.size()));
  }
  return std::string(name);
}

}  // namespace

std::vector<NamedTensor> without_wrappers(const std::vector<NamedTensor>& state) {
  std::vector<NamedTensor> plain;
  std::map<std::string, std::vector<std::string>> found;  // the names that became one
  for (const NamedTensor& t : state) {
    const std::string name = unwrapped(t.name);
    if (name == "n_averaged") continue;
    plain.push_back({name, t.tensor});
    found[name].push_back(t.name);
  }
  std::vector<std::string> several;
  for (const auto& [name, names] : found) {
    if (names.size() > 1) several.push_back(fmt::format("{}", fmt::join(names, " and ")));
  }
  require<ValueError>(
      several.empty(),
      "weights: expected each tensor once, with or without module. and _orig_mod. in front, got {}",
      some_of(several, ", "));
  return plain;
}

}  // namespace resgrad::models
