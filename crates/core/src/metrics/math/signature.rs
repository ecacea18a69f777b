//! What each function takes, and what it gives.
//!
//! Invariant: a call that [`Function::gives`] accepts can be evaluated. Refuses wrong numbers and
//! kinds of arguments.

use super::expression::{ExpressionKind, ExpressionNode};
use super::function::{Function, Word};

/// Rule for an argument, in words and as a test.
type ArgumentRule = (
    &'static str,
    fn(&ExpressionNode, Option<ExpressionKind>) -> bool,
);

const SCALAR: ArgumentRule = ("a number", |_, kind| kind == Some(ExpressionKind::Scalar));
const SERIES: ArgumentRule = ("a time series", |_, kind| {
    kind == Some(ExpressionKind::Series)
});
const ARRAY: ArgumentRule = ("several time series", |_, kind| {
    kind == Some(ExpressionKind::Array)
});
const ANY: ArgumentRule = ("a number or time series", |_, kind| kind.is_some());
const SOME: ArgumentRule = ("one or several time series", |_, kind| {
    matches!(kind, Some(ExpressionKind::Series | ExpressionKind::Array))
});
const ONE: ArgumentRule = ("a number or one time series", |_, kind| {
    matches!(kind, Some(ExpressionKind::Scalar | ExpressionKind::Series))
});
const ID: ArgumentRule = ("the name of a metric", |node, _| {
    matches!(node, ExpressionNode::Id(_))
});
const TEXT: ArgumentRule = ("a text in quotes", |node, _| {
    matches!(node, ExpressionNode::Text(_))
});
const COUNT: ArgumentRule = (
    "a whole number",
    |node, _| matches!(node, ExpressionNode::Number(n) if n.fract() == 0.0 && *n <= 1000.0),
);
const FILLING: ArgumentRule = ("a number, a time series, REPEAT or LINEAR", |node, kind| {
    matches!(kind, Some(ExpressionKind::Scalar | ExpressionKind::Series))
        || matches!(node, ExpressionNode::Word(Word::Repeat | Word::Linear))
});
const SORTING: ArgumentRule = ("AVG, SUM, MIN or MAX", |node, _| {
    matches!(
        node,
        ExpressionNode::Word(Word::Avg | Word::Sum | Word::Min | Word::Max)
    )
});
const ORDER: ArgumentRule = ("ASC or DESC", |node, _| {
    matches!(
        node,
        ExpressionNode::Word(Word::Ascending | Word::Descending)
    )
});

impl Function {
    /// Arguments it needs, then those it may have.
    fn signature(self) -> (&'static [ArgumentRule], &'static [ArgumentRule]) {
        match self {
            Self::Abs | Self::Ceil | Self::Floor | Self::Log | Self::Log10 => (&[ANY], &[]),
            Self::Avg | Self::Sum | Self::Min | Self::Max | Self::Stddev => (&[ANY], &[]),
            Self::Diff | Self::DiffTime | Self::Rate | Self::RunningSum => (&[SOME], &[]),
            Self::DatapointCount | Self::RemoveEmpty => (&[SOME], &[]),
            Self::Period => (&[ID], &[]),
            Self::Fill => (&[SOME, FILLING], &[]),
            Self::If => (&[ONE, ONE], &[ONE]),
            Self::Metrics => (&[], &[TEXT]),
            Self::MetricCount | Self::First | Self::Last => (&[ARRAY], &[]),
            Self::TimeSeries => (&[SCALAR], &[]),
            Self::Sort => (&[ARRAY, SORTING, ORDER], &[COUNT]),
            Self::Slice => (&[ARRAY, COUNT], &[COUNT]),
            Self::Minute | Self::Hour | Self::Day | Self::Date => (&[SERIES], &[]),
            Self::Month | Self::Year | Self::Epoch => (&[SERIES], &[]),
        }
    }

    /// Type of a call's result; otherwise which argument (from 0) is wrong and what was expected
    /// there. `kinds` are those of the arguments; texts and words have none.
    pub(super) fn gives(
        self,
        arguments: &[ExpressionNode],
        kinds: &[Option<ExpressionKind>],
    ) -> Result<ExpressionKind, (usize, &'static str)> {
        let (needed, more) = self.signature();
        let wanted = needed.iter().chain(more);
        let pairs = arguments.iter().zip(kinds).zip(wanted).enumerate();
        for (i, ((node, kind), (words, test))) in pairs {
            if !test(node, *kind) {
                return Err((i, words));
            }
        }
        if let Some((words, _)) = needed.get(arguments.len()) {
            return Err((arguments.len(), words));
        }
        if arguments.len() > needed.len() + more.len() {
            return Err((needed.len() + more.len(), "`)`"));
        }
        Ok(self.kind(kinds))
    }

    fn kind(self, kinds: &[Option<ExpressionKind>]) -> ExpressionKind {
        let first = kinds
            .first()
            .copied()
            .flatten()
            .unwrap_or(ExpressionKind::Scalar);
        match self {
            Self::Avg | Self::Sum | Self::Min | Self::Max | Self::Stddev | Self::DatapointCount => {
                match first {
                    ExpressionKind::Array => ExpressionKind::Series,
                    ExpressionKind::Scalar | ExpressionKind::Series => ExpressionKind::Scalar,
                }
            }
            Self::If if kinds.contains(&Some(ExpressionKind::Series)) => ExpressionKind::Series,
            Self::If | Self::Period | Self::MetricCount => ExpressionKind::Scalar,
            Self::Metrics | Self::Sort | Self::Slice => ExpressionKind::Array,
            Self::TimeSeries | Self::First | Self::Last => ExpressionKind::Series,
            _ => first,
        }
    }
}
