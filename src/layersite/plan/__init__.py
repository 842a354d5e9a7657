"""Pure decisions: which environments should exist, with which apps, and the actions that lead there."""

from layersite.plan import lease
from layersite.plan.actions import make_plan, plan_again, plan_named, plan_renewals, plan_rest
from layersite.plan.capacity import PRIORITY_LABEL, queue
from layersite.plan.converge import remove
from layersite.plan.desired import build_environment, relock
from layersite.plan.group import Group, chosen_name, group, narrow
from layersite.plan.lock import changed_parts, is_untouched
from layersite.plan.model import Action, Plan, Refusal, hold_back, leave, over_the_cap, overdue
from layersite.plan.obey import answers
from layersite.plan.orphans import Orphan, doubts, doubts_of_clones, find_lacking, find_orphans, too_many
from layersite.plan.preempt import idle, victims
from layersite.plan.rest import called
from layersite.plan.slice import decide_slice, touched_apps
from layersite.plan.waves import failed_in_wave, in_waves, last_wave
from layersite.plan.world import Choose, World

__all__ = [
    "PRIORITY_LABEL",
    "Action",
    "Choose",
    "Group",
    "Orphan",
    "Plan",
    "Refusal",
    "World",
    "answers",
    "build_environment",
    "called",
    "changed_parts",
    "chosen_name",
    "decide_slice",
    "doubts",
    "doubts_of_clones",
    "failed_in_wave",
    "find_lacking",
    "find_orphans",
    "group",
    "hold_back",
    "idle",
    "in_waves",
    "is_untouched",
    "last_wave",
    "lease",
    "leave",
    "make_plan",
    "narrow",
    "over_the_cap",
    "overdue",
    "plan_again",
    "plan_named",
    "plan_renewals",
    "plan_rest",
    "queue",
    "relock",
    "remove",
    "too_many",
    "touched_apps",
    "victims",
]
