#include "core/kernels/conv2d.h"

#include <algorithm>
#include <string>

namespace resgrad::kernels {
namespace {

template <class T>
std::vector<const Conv2dEngine<T>*> engines() {
  return {&reference_conv2d<T>()};
}
template <>
std::vector<const Conv2dEngine<float>*> engines() {
  return {&winograd_conv2d(), &grouped_conv2d(), &direct_conv2d(), &reference_conv2d<float>()};
}

std::string& setting() {
  static std::string name = "auto";
  return name;
}

}  // namespace

const char* name(Conv2dPass pass) {
  switch (pass) {
    case Conv2dPass::forward:
      return "forward";
    case Conv2dPass::backward_input:
      return "backward_input";
    case Conv2dPass::backward_weight:
      return "backward_weight";
  }
  return "?";
}

template <class T>
const Conv2dEngine<T>& choose_conv2d(const Conv2dDims& d, Conv2dPass pass) {
  static const std::vector<const Conv2dEngine<T>*> all = engines<T>();
  const auto usable = [&](const Conv2dEngine<T>* engine) { return engine->supports(d, pass); };
  const auto wanted = std::ranges::find_if(all, [&](const Conv2dEngine<T>* engine) {
    return engine->name() == setting() && usable(engine);
  });
  return **(wanted != all.end() ? wanted : std::ranges::find_if(all, usable));
}
template const Conv2dEngine<float>& choose_conv2d(const Conv2dDims&, Conv2dPass);
template const Conv2dEngine<double>& choose_conv2d(const Conv2dDims&, Conv2dPass);

std::vector<std::string_view> conv2d_engine_names() {
  std::vector<std::string_view> names;
  for (const auto* engine : engines<float>()) names.push_back(engine->name());
  return names;
}

bool set_conv2d_engine(std::string_view name) {
  const auto names = conv2d_engine_names();
  if (name != "auto" && std::ranges::find(names, name) == names.end()) return false;
  setting() = name;
  return true;
}

std::string_view conv2d_engine_setting() {
  return setting();
}

}  // namespace resgrad::kernels
