/** The controls of the variables above a board. */

import { css } from '@emotion/css';
import { type GrafanaTheme2, type SelectableValue } from '@grafana/data';
import { Input, MultiSelect, Select, Tooltip, useStyles2 } from '@grafana/ui';

import { ALL, type Board, type Values, type Variable } from './model';
import { variablesOf, type Offers } from './selection';

const HIDDEN = 2;
const WITHOUT_LABEL = 1;
const EVERYTHING: SelectableValue<string> = { label: 'All', value: ALL };

interface Props {
  board: Board;
  values: Values;
  offers: Offers;
  onChange: (name: string, value: string | string[]) => void;
}

export function Controls({ board, values, offers, onChange }: Props) {
  const styles = useStyles2(looks);
  return (
    <div className={styles.row}>
      {variablesOf(board)
        .filter((variable) => variable.hide !== HIDDEN && variable.type !== 'constant')
        .map((variable) => (
          <div key={variable.name} className={styles.one} data-variable={variable.name}>
            {variable.hide !== WITHOUT_LABEL && <Name variable={variable} />}
            <Control variable={variable} value={values[variable.name]} offers={offers} onChange={onChange} />
          </div>
        ))}
    </div>
  );
}

function Name({ variable }: { variable: Variable }) {
  const styles = useStyles2(looks);
  const label = (
    <label className={styles.label} htmlFor={`var-${variable.name}`}>
      {variable.label || variable.name}
    </label>
  );
  return variable.description ? <Tooltip content={variable.description}>{label}</Tooltip> : label;
}

interface ControlProps {
  variable: Variable;
  value: string | string[] | undefined;
  offers: Offers;
  onChange: Props['onChange'];
}

function Control({ variable, value, offers, onChange }: ControlProps) {
  const chosen = value === undefined ? [] : Array.isArray(value) ? value : [value];
  const inputId = `var-${variable.name}`;
  if (variable.type === 'textbox') {
    return (
      <Input
        id={inputId}
        key={chosen[0]}
        defaultValue={chosen[0]}
        width={22}
        onBlur={(event) => event.currentTarget.value !== chosen[0] && onChange(variable.name, event.currentTarget.value)}
        onKeyDown={(event) => event.key === 'Enter' && event.currentTarget.blur()}
      />
    );
  }
  const offered = offers[variable.name];
  const options: Array<SelectableValue<string>> = [...(variable.includeAll ? [EVERYTHING] : []), ...(offered ?? [])];
  const shown = chosen.map((one) => options.find((option) => option.value === one) ?? { label: one, value: one });
  const common = {
    inputId,
    options,
    width: 'auto' as const,
    isLoading: offered === undefined,
    allowCustomValue: variable.allowCustomValue !== false,
    virtualized: options.length > 200,
    noOptionsMessage: 'nothing in this time range',
  };
  if (!variable.multi) {
    return <Select {...common} value={shown[0] ?? null} onChange={(option) => onChange(variable.name, option.value ?? '')} />;
  }
  return (
    <MultiSelect
      {...common}
      value={shown}
      closeMenuOnSelect={false}
      maxVisibleValues={4}
      onChange={(selected) => onChange(variable.name, severalOf(selected, chosen, variable))}
    />
  );
}

/** All stands alone: choosing it drops the others, choosing another drops it, and nothing is All. */
function severalOf(selected: Array<SelectableValue<string>>, before: string[], variable: Variable): string | string[] {
  const values = selected.map((option) => option.value ?? '');
  if (values.includes(ALL) && !before.includes(ALL)) {
    return ALL;
  }
  const left = values.filter((one) => one !== ALL);
  return left.length ? left : variable.includeAll ? ALL : [];
}

const looks = (theme: GrafanaTheme2) => ({
  row: css({ display: 'flex', flexWrap: 'wrap', gap: theme.spacing(1), flexGrow: 1 }),
  one: css({ display: 'flex', alignItems: 'center' }),
  label: css({
    ...theme.typography.bodySmall,
    fontWeight: theme.typography.fontWeightMedium,
    display: 'flex',
    alignItems: 'center',
    margin: 0,
    padding: theme.spacing(0, 1),
    height: theme.spacing(theme.components.height.md),
    background: theme.colors.background.secondary,
    border: `1px solid ${theme.colors.border.medium}`,
    borderRight: 'none',
    borderRadius: `${theme.shape.radius.default} 0 0 ${theme.shape.radius.default}`,
    whiteSpace: 'nowrap',
  }),
});
