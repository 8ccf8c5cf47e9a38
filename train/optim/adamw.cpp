#include "train/optim/adamw.h"

#include <cmath>

#include "core/kernels/adamw.h"

namespace resgrad {
namespace {

void require_share(std::string_view what, double value) {
  require<ValueError>(value >= 0 && value < 1, "adamw: {}: expected a number in [0, 1), got {}",
                      what, value);
}

}  // namespace

Adamw::Adamw(const std::vector<ParameterGroup>& groups, AdamwOptions options)
    : Optimizer("adamw", {{".exp_avg"}, {".exp_avg_sq"}, {".step", true}}, groups, options.lr,
                options.weight_decay),
      options_(options) {
  require_share("beta1", options.beta1);
  require_share("beta2", options.beta2);
  require<ValueError>(std::isfinite(options.eps) && options.eps > 0,
                      "adamw: eps: expected a finite number above 0, got {}", options.eps);
}

Adamw::Adamw(const std::vector<NamedTensor>& parameters, AdamwOptions options)
    : Adamw(std::vector<ParameterGroup>{{.parameters = parameters}}, options) {}

void Adamw::set_momentum(double beta1) {
  require_share("beta1", beta1);
  options_.beta1 = beta1;
}

void Adamw::update(Slot& slot, const Tensor& dw, bool) const {
  const auto t = static_cast<double>(++*slot.state[2].data<std::int64_t>());
  const double lr = this->lr() * slot.lr_scale;
  visit_floating(slot.parameter.dtype(), "adamw", [&]<class T>() {
    kernels::adamw<T>().step(slot.parameter.data<T>(), slot.state[0].data<T>(),
                             slot.state[1].data<T>(), dw.data<T>(), slot.parameter.numel(),
                             {.shrink = 1 - lr * slot.weight_decay,
                              .beta1 = options_.beta1,
                              .beta2 = options_.beta2,
                              .eps = options_.eps,
                              .step_size = lr / (1 - std::pow(options_.beta1, t)),
                              .root_scale = 1 / std::sqrt(1 - std::pow(options_.beta2, t))});
  });
}

}  // namespace resgrad
