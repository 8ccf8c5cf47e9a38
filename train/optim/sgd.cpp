#include "train/optim/sgd.h"

#include "core/kernels/sgd.h"

namespace resgrad {

Sgd::Sgd(const std::vector<ParameterGroup>& groups, SgdOptions options)
    : Optimizer("sgd",
                options.momentum == 0 ? std::vector<StateTensor>{} : std::vector<StateTensor>{{""}},
                groups, options.lr, options.weight_decay),
      options_(options) {
  require_non_negative("sgd", "momentum", options.momentum);
  require_non_negative("sgd", "dampening", options.dampening);
  require<ValueError>(!options.nesterov || (options.momentum > 0 && options.dampening == 0),
                      "sgd: nesterov: expected momentum above 0 and dampening 0, got momentum {} "
                      "and dampening {}",
                      options.momentum, options.dampening);
}

Sgd::Sgd(const std::vector<NamedTensor>& parameters, SgdOptions options)
    : Sgd(std::vector<ParameterGroup>{{.parameters = parameters}}, options) {}

void Sgd::set_momentum(double momentum) {
  require_non_negative("sgd", "momentum", momentum);
  require<ValueError>((momentum == 0) == (options_.momentum == 0),
                      "sgd: momentum: expected {} as at construction, got {}",
                      options_.momentum == 0 ? "0" : "a number above 0", momentum);
  options_.momentum = momentum;
}

void Sgd::update(Slot& slot, const Tensor& dw, bool first) const {
  visit_floating(slot.parameter.dtype(), "sgd", [&]<class T>() {
    kernels::sgd<T>().step(slot.parameter.data<T>(),
                           slot.state.empty() ? nullptr : slot.state[0].data<T>(), dw.data<T>(),
                           slot.parameter.numel(),
                           {.lr = lr() * slot.lr_scale,
                            .momentum = options_.momentum,
                            .dampening = options_.dampening,
                            .weight_decay = slot.weight_decay,
                            .nesterov = options_.nesterov,
                            .first = first});
  });
}

}  // namespace resgrad
