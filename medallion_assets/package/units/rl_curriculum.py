"""The RL curriculum in gold: the prompts that are worth training on, as RL prompts, with their pass rates."""

from __future__ import annotations

from medallion_assets.package.units import rl_prompts

COLUMNS = (*rl_prompts.COLUMNS, "attempts", "solved", "pass_rate")
made, write = rl_prompts.made, rl_prompts.write
