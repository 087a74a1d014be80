"""The running average of weights."""

import torch
from torch import nn

from pgstalker.training.average import RunningAverage


def test_it_remembers_more_and_more_until_its_decay():
    module = nn.Linear(1, 1, bias=False)
    average, weight = RunningAverage(module, decay=0.3), module.weight
    seen, expected = [2.0, 4.0, 8.0], 2.0
    decays = [None, 2 / 11, 3 / 12]
    for steps, (value, decay) in enumerate(zip(seen, decays, strict=True)):
        with torch.no_grad():
            weight.fill_(value)
        average.add(steps)
        expected = expected if decay is None else decay * expected + (1 - decay) * value
    average.add(1000)  # (1 + steps) / (10 + steps) would be .99
    expected = 0.3 * expected + 0.7 * 8
    average.settle()
    assert weight.item() == torch.tensor(expected).item() and not average.weights


def test_it_goes_on_where_it_was():
    module = nn.Linear(2, 2)
    whole, first, second = (RunningAverage(module, 0.9) for _ in range(3))
    for step in range(6):
        nn.init.normal_(module.weight, generator=torch.Generator().manual_seed(step))
        if step == 3:
            second.restore(first.state() | {"talker/weight": module.weight}, torch.device("cpu"))
        for average in (whole, first if step < 3 else second):
            average.add(step)
    assert set(second.state()) == {"average/weight", "average/bias"}
    assert all(torch.equal(value, second.state()[name]) for name, value in whole.state().items())
