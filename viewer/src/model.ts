/** The part of a provisioned board that is read here, as `@grafana/schema` names it. */

import type { FieldConfigSource } from '@grafana/data';

export interface Target {
  refId: string;
  rawSql?: string;
  format?: number;
}

export interface Panel {
  id: number;
  type: string;
  title?: string;
  description?: string;
  transparent?: boolean;
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: Target[];
  interval?: string;
  maxDataPoints?: number;
  options?: Record<string, any>;
  fieldConfig?: FieldConfigSource;
  links?: Link[];
  collapsed?: boolean;
  panels?: Panel[];
}

export interface Variable {
  type: string;
  name: string;
  label?: string;
  description?: string;
  hide?: number;
  query?: any;
  multi?: boolean;
  includeAll?: boolean;
  allowCustomValue?: boolean;
  current?: { value?: string | string[] };
  options?: Array<{ text: string | string[]; value: string | string[] }>;
}

export interface Link {
  type?: 'link' | 'dashboards';
  title?: string;
  url?: string;
  tags?: string[];
  tooltip?: string;
  targetBlank?: boolean;
  includeVars?: boolean;
  keepTime?: boolean;
  asDropdown?: boolean;
}

export interface Board {
  uid: string;
  title: string;
  description?: string;
  tags?: string[];
  time?: { from: string; to: string };
  refresh?: string;
  timezone?: string;
  panels: Panel[];
  templating?: { list?: Variable[] };
  links?: Link[];
}

export interface Listed {
  uid: string;
  title: string;
  description?: string;
  tags?: string[];
}

export type Values = Record<string, string | string[]>;

export const ALL = '$__all';
